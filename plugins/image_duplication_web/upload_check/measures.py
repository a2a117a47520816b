"""What the service counts about itself, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds: around the promised 0.3 s, up to the longest time that a request may take.
_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60)


class Measures:
    """The counters of one app; each app has its own, so that none is counted twice."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "upload_check_requests",
            "Requests to the check by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._rejected = Counter(
            "upload_check_rejected",
            "Requests without a verdict by the code of their refusal.",
            ["reason"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "upload_check_seconds",
            "Seconds from the first byte to the verdict.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._cpu = Counter(
            "upload_check_judging_cpu_seconds",
            "CPU seconds that decoding and judging took.",
            registry=self._registry,
        )
        self._pictures = Counter(
            "upload_check_pictures", "Pictures judged.", registry=self._registry
        )
        self.waiting = Gauge(
            "upload_check_waiting", "Requests that wait for a worker.", registry=self._registry
        )
        self.judging = Gauge(
            "upload_check_judging", "Requests that a worker is at.", registry=self._registry
        )
        self.restarts = Counter(
            "upload_check_worker_restarts",
            "Workers that were killed or had died, and were started again.",
            registry=self._registry,
        )

    def count_outcome(self, outcome: str) -> None:
        """One request more that came to this."""
        self._requests.labels(outcome).inc()

    def count_rejection(self, reason: str) -> None:
        """One request more without a verdict."""
        self.count_outcome("rejected")
        self._rejected.labels(reason).inc()

    def count_verdict(self, outcome: str, *, seconds: float, cpu_s: float, pictures: int) -> None:
        """One request more with a verdict, and what it cost."""
        self.count_outcome(outcome)
        self._seconds.observe(seconds)
        self._cpu.inc(cpu_s)
        self._pictures.inc(pictures)

    def exposition(self) -> bytes:
        """All of them as text."""
        return generate_latest(self._registry)
