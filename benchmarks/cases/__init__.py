"""The measured cases, a module a domain; README.md says how to add one."""
