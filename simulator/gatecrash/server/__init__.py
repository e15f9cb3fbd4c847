"""The aiohttp shell: pipeline, control API, hosted pages, timers, courier, and the supervisor that restarts it all."""
