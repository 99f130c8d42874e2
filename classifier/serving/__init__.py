"""The web server: waitress, which shows a request to a thread when it is whole, with limits on what strangers take.

It knows neither Django nor the settings: an application and `Limits` come in, and `server.serve` runs until it is told
to stop.
"""
