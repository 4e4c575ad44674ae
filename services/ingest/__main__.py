"""`python -m services.ingest`: run the service by its settings."""

from services.ingest.app import running
from shared.http.server import serve

if __name__ == "__main__":
    serve(running)
