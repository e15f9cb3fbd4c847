"""How the gateway tells: signing schemes, retry schedules as data, and the courier that delivers."""
