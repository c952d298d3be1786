"""Uploads an exported folder to the hub: only when asked, and never into a repository more public than asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.errors import RunFailed, UserError

_TOKEN = "hf auth login, or set HF_TOKEN to a token that may write"


def check_push(repo: str, *, private: bool) -> Any:
    """The hub's client, before anything is written: `UserError` for a bad name, no token, or a public repository where
    a private one is asked for; `RunFailed` when the hub is out of reach."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as problem:
        raise UserError(f"--push {repo}: {problem}", fix="write OWNER/NAME") from None
    if repo.count("/") != 1:
        raise UserError(f"--push {repo} does not name an owner", fix=f"write OWNER/{repo}")
    api = HfApi()
    try:
        api.whoami()
        there = api.repo_info(repo)
    except RepositoryNotFoundError:
        return api
    except Exception as problem:
        raise _refused(repo, problem) from problem
    if private and not there.private:
        raise UserError(f"{repo} exists and is public", fix="leave out --private, or push to another name")
    return api


def push(api: Any, folder: Path, repo: str, *, private: bool, message: str) -> str:
    """Uploads `folder` as one commit and returns the repository's address; a new repository is private if asked."""
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(folder_path=str(folder), repo_id=repo, commit_message=message)
    except Exception as problem:
        raise _refused(repo, problem, folder) from problem
    return f"{api.endpoint}/{repo}"


def _refused(repo: str, problem: Exception, folder: Path | None = None) -> UserError | RunFailed:
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    kept = f"; the folder is there: {folder}" if folder is not None else ""
    if isinstance(problem, LocalTokenNotFoundError):
        return UserError("--push needs a token of the hub, and there is none", fix=_TOKEN)
    if isinstance(problem, HfHubHTTPError):
        code = problem.response.status_code if problem.response is not None else None
        if code in {401, 403}:
            return UserError(f"the hub refuses to write {repo} ({code}){kept}", fix=_TOKEN)
    if isinstance(problem, OfflineModeIsEnabled):
        return UserError("--push needs the hub, and HF_HUB_OFFLINE is set", fix="unset HF_HUB_OFFLINE")
    first = str(problem).strip().splitlines() or [type(problem).__name__]
    return RunFailed(
        f"the push to {repo} failed: {first[0]}{kept}", fix="the same command, with --overwrite, tries again"
    )
