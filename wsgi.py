"""For web servers that want a module: `gunicorn wsgi:app`. `hub serve` needs none."""

from hub.app import create_app
from hub.settings import Settings

app = create_app(Settings.load())
