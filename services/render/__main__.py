"""`python -m services.render`: run the service by its settings."""

from services.render.app import running
from shared.http.server import serve

if __name__ == "__main__":
    serve(running)
