"""Repeat requests to a store and limit the waiting, so that one lost or garbled answer does not fail an import."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fa_sweep.errors import StoreClosed, TrackingError

T = TypeVar("T")
ATTEMPTS = 4  # how often a request that fails is sent
PASSES = 3  # how often something is written and looked for before the store counts as faulty
PAUSE_S = 0.1  # pause before the second attempt; it doubles before each further one
SILENCE_S = 2.0  # after this time without an answer the user is told that the program is waiting


class Patience:
    """Sends requests to a store, repeats the ones that fail, and gives up if no answer comes in time.

    Because a request may be repeated after it was carried out, repeating it must leave the same rows.
    """

    def __init__(self, who: str, seconds: float, say: Callable[[str], None], *, hopeless: Callable[[Exception], bool]) -> None:
        """Prepare for requests to one store.

        Args:
            who: The store's name in messages, without a password.
            seconds: How long one request may take, all its attempts together, in seconds.
            say: Called once, with a line for the user, when the store is slow to answer.
            hopeless: Whether an error means that repeating the request cannot help, for example because the store refused it.
        """
        self.who, self.seconds = who, seconds
        self._say, self._hopeless, self._told = say, hopeless, False
        self._answered = time.monotonic()

    def ask(self, call: Callable[[], T], *, threaded: bool = True) -> T:
        """Make a request and return its result; repeat it if it fails.

        A request is made at most `ATTEMPTS` times, or until the time is over if the server is busy (HTTP status 429 or 503).

        Args:
            call: Makes the request.
            threaded: Whether each attempt runs in a thread of its own, which is abandoned if no answer comes in time. A request
                to a local file needs none; without a thread, a call that hangs is not interrupted.

        Raises:
            StoreClosed: If no answer comes in time.
            Exception: The error of the last attempt.
        """
        attempt = 0
        self._answered = time.monotonic()  # the time since the last request does not count as waiting
        while True:
            try:
                return self._within(call) if threaded else call()
            except StoreClosed:
                raise
            except Exception as error:
                attempt += 1
                pause = PAUSE_S * 2 ** (attempt - 1)
                busy = " 429 " in str(error) or " 503 " in str(
                    error
                )  # the statuses as in MLflow's messages: a later attempt may succeed
                if self._hopeless(error) or (attempt >= ATTEMPTS and not busy) or pause > self._left():
                    raise
                time.sleep(pause)

    def until(self, do: Callable[[], None], done: Callable[[], bool], what: str) -> None:
        """Write something and check that the store has it; repeat both if it does not.

        Args:
            do: Writes it.
            done: Asks the store whether it has it.
            what: What is written, for the error message.

        Raises:
            TrackingError: If the store accepted it `PASSES` times and still does not have it.
        """
        for _ in range(PASSES):
            do()
            if done():
                return
        raise TrackingError(f"{self.who} says that it took {what}, and does not have it")

    def _left(self) -> float:
        return self._answered + self.seconds - time.monotonic()

    def _within(self, call: Callable[[], T]) -> T:
        answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put((True, call()))
            except BaseException as error:
                answers.put((False, error))

        threading.Thread(target=work, daemon=True).start()
        try:
            done, answer = answers.get(timeout=max(0.0, min(SILENCE_S, self._left())))
        except queue.Empty:
            if not self._told and self._left() > 0:
                self._say(f"waiting for {self.who} ({self.seconds:g} s at most)")
                self._told = True
            try:
                done, answer = answers.get(timeout=max(0.0, self._left()))
            except queue.Empty:
                raise StoreClosed(f"{self.who} has not answered for {self.seconds:g} s") from None
        if not done:
            raise answer
        result: T = answer
        return result
