"""Google Calendar for Coordinoter Hub: the hook implementations stand in `hub_google.hooks`."""
