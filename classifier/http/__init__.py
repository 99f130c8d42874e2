"""What pages, API, administration and the web server share of HTTP."""
