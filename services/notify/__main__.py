"""`python -m services.notify`: run the service by its settings."""

from services.notify.app import running
from shared.http.server import serve

if __name__ == "__main__":
    serve(running)
