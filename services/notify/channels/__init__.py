"""How a delivery is sent, one module for each kind of endpoint."""
