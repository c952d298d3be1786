"""Typer commands: parse, call, render. One file a command; heavy rooms are imported inside the commands."""
