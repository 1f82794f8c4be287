"""Outlook (Microsoft Graph) for Coordinoter Hub: the hook implementations stand in `hub_outlook.hooks`."""
