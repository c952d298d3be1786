"""The science: whole groups in; rewards, advantages and reasons out. No TRL, no files, no ranks."""
