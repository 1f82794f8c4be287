"""The hub's side of the plugin border: find plugins, ask one of them, keep grants fresh."""
