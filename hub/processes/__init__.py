"""The processes of a hub: what each of them runs, and the supervisor that keeps them under one command."""
