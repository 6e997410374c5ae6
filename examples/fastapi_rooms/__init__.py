"""Rooms, background jobs, notifications and polls, in FastAPI, with the classes of chanx 2.x. See README.md.

- `auth.py`: who a token belongs to, for HTTP requests and for WebSockets
- `base.py`: what all consumers have in common
- `rooms.py`, `jobs.py`, `notices.py`, `live.py`: one part each, with its messages, its consumer and its endpoints
- `backend.py`: what the parts keep, and the queue of jobs: in this process, or in Redis
- `worker.py`: the process that does the jobs, where there is Redis
- `app.py`: puts them together
- `static/`: the page
- `tests/`: the tests
"""
