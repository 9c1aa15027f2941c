"""`lab exercise` at a prompt: one question at a time, then the run segment by segment."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from lab.cli.exercise_files import playing
from lab.cli.exits import leave
from lab.exercise.model import HINTS, Exercise, Numbers, Question, Round
from lab.exercise.mystery import capture
from lab.exercise.notation import NotUnderstood
from lab.exercise.notebook import save, summary, transcript
from lab.exercise.progress import Happened, Progress, Standing, Status
from lab.exercise.running import Finding, Played, Verdict, judged, play
from lab.exercise.view import View
from lab.record.saved.folder import put

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.author.runner import Runner
    from lab.exercise.catalogue import Catalogue
    from lab.record.results import Result

_TRIES = 3
"""Answers to a question about segments that were just seen, before the true one is shown."""


class End(Enum):
    """End of the work on one exercise."""

    FINISHED = "finished"
    SKIPPED = "skipped"
    GIVEN_UP = "given up"
    STUCK = "stuck"
    """The kernel differs, or the round could not be tried."""


class _Ended(Exception):
    """The learner has skipped the exercise, or given it up."""

    def __init__(self, how: End) -> None:
        super().__init__(how)
        self.how = how


class Lesson:
    """A learner at a prompt."""

    def __init__(self, view: View, progress: Progress, family: int | None, runner: Callable[[], Runner]) -> None:
        self.view = view
        self.progress = progress
        self._family = family
        """Address family that is asked for; None: that of the attempt under way, and IPv4 for a new one."""
        self._runner = runner
        self._results: list[Result] = []
        """Results of the rounds of the current attempt."""

    def teach(self, exercise: Exercise, *, again: bool = False) -> End:
        """Work on one exercise, from where it was left."""
        standing = self.progress.standing(exercise.id)
        is_current = (standing.version, standing.family) == (exercise.version, self._family or standing.family)
        if again or not (standing.is_under_way and is_current):
            self.progress.add(Happened.STARTED, exercise, attempt=standing.attempt + 1, family=self._family or 4)
            standing = self.progress.standing(exercise.id)
        self._introduce(exercise)
        own = exercise.numbers(self.progress.learner, standing.attempt)
        self._results = []
        try:
            for number in range(len(exercise.rounds)):
                if self._round(exercise, number, own, standing) is not Finding.KNOWN:
                    self.tell("stuck", id=exercise.id)
                    return End.STUCK
        except _Ended as ended:
            if ended.how is End.SKIPPED:
                self.skip(exercise)
            else:
                self.give_up(exercise)
            return ended.how
        solved = all(verdict["right"] for each in standing.judged.values() for verdict in each.values())
        self.progress.add(Happened.FINISHED, exercise, attempt=standing.attempt, solved=solved)
        self.tell("learned", text=exercise.learned.of(self.view.language))
        self.tell("solved" if solved else "not_solved", id=exercise.id)
        return End.FINISHED

    def ask_next(self, exercise: Exercise, following: Exercise | None) -> str:
        """Ask what comes after an exercise: "next", or "again"."""
        if following is None:
            named = self.view.say("no_next")
        else:
            named = self.view.say("next_is", id=following.id, title=following.title.of(self.view.language))
        key = "after_same" if following is exercise else "after"
        while True:
            self.tell(key, next=named, id=exercise.id)
            typed = self._read("> ").strip().lower()
            if not typed or typed in _commands("next"):
                return "next"
            if typed in _commands("again"):
                return "again"
            if typed in _commands("quit"):
                self.leave()

    def tell(self, key: str, style: str = "", **values: object) -> None:
        """Print a text."""
        self.print(self.view.paragraph(self.view.say(key, **values), style))

    def print(self, lines: Iterable[str]) -> None:
        """Print lines."""
        for line in lines:
            print(line, flush=True)

    def leave(self, code: int = 0) -> NoReturn:
        """Say where the progress is, and exit."""
        self.tell("left", file=self.progress.file)
        leave(code, at_once=True)

    def head(self, exercise: Exercise) -> None:
        """Print which exercise it is."""
        self.tell("heading", "title", id=exercise.id, title=exercise.title.of(self.view.language))

    def _introduce(self, exercise: Exercise) -> None:
        view, language = self.view, self.view.language
        print()
        self.head(exercise)
        self.tell(
            "about",
            goal=exercise.goal.of(language),
            minutes=exercise.minutes,
            article=view.article(exercise),
            section=exercise.section,
        )
        self.print(view.paragraph(""))

    def _round(self, exercise: Exercise, number: int, own: Numbers, standing: Standing) -> Finding:
        """Predictions, run and questions of one round."""
        round_, view = exercise.rounds[number], self.view
        own = exercise.numbers_of(round_, own, standing.family)
        if number:
            print()
        self.tell("mystery" if exercise.mystery else "modify" if number else "predict", "title")
        self.print(view.paragraph(round_.text.of(view.language).format_map(own)))
        if not exercise.mystery:
            self._ask(exercise, round_, own, standing)
        played = self._play(exercise, number, own, standing)
        if exercise.mystery and played.finding is Finding.KNOWN:
            self._show_packets(exercise, played, standing)
            self._ask(exercise, round_, own, standing)
        self._results.append(played.result)
        save(self.progress, exercise, standing.attempt, self._results)
        return self._reveal(exercise, number, played, standing)

    def _play(self, exercise: Exercise, number: int, own: Numbers, standing: Standing) -> Played:
        with playing():
            return play(self._runner(), exercise, number, own, standing.family)

    def _show_packets(self, exercise: Exercise, played: Played, standing: Standing) -> None:
        """Print the packets of a mystery, and write them to a capture beside the progress."""
        assert played.result.recording is not None
        file = self.progress.folder / f"{exercise.id}-{standing.attempt}.pcapng"
        put(file, capture(played.result.recording))
        print()
        self.print(self.view.packets(played.result.recording))
        self.tell("packets_in", file=file)

    def _ask(self, exercise: Exercise, round_: Round, own: Numbers, standing: Standing) -> None:
        """Ask what is not answered yet, and keep each answer as it was typed."""
        for at, question in enumerate(round_.predict, 1):
            if question.id not in standing.answers:
                print()
                typed = self._predict(exercise, question, own, at, len(round_.predict), standing)
                self.progress.add(
                    Happened.PREDICTED, exercise, attempt=standing.attempt, question=question.id, typed=typed
                )
                standing.answers[question.id] = typed

    def _predict(
        self, exercise: Exercise, question: Question, own: Numbers, number: int, count: int, standing: Standing
    ) -> str:
        """Ask until something is typed that can be understood. Returns it as it was typed."""
        view = self.view
        self.tell("question", "faint", number=number, count=count)
        self.print(view.question(question, own))
        while True:
            typed = self._read("> ").strip()
            if not typed or self._command(typed, exercise, standing, question):
                continue
            try:
                question.kind.parse(typed, own)
            except NotUnderstood as unclear:
                self.tell(unclear.key)
                self.print(view.paragraph(view.say("how_to_type", how=view.say(question.kind.how))))
                self.tell("also")
                continue
            return typed

    def _command(self, typed: str, exercise: Exercise, standing: Standing, question: Question) -> bool:
        """Obey a command that was typed instead of an answer; False if it is none."""
        text = typed.lower()
        if text in _commands("quit"):
            self.leave()
        elif text in _commands("skip"):
            raise _Ended(End.SKIPPED)
        elif text in _commands("give_up"):
            raise _Ended(End.GIVEN_UP)
        elif text in _commands("help"):
            self.tell("also")
        elif text in _commands("hint"):
            if any(question in each.investigate for each in exercise.rounds):
                self.tell("look_for_it", tries=_TRIES)
            else:
                self.hint(exercise, standing)
        else:
            return False
        return True

    def hint(self, exercise: Exercise, standing: Standing) -> None:
        """Print the hint of a changed round, else the next one of the exercise, and record that it was read."""
        round_ = exercise.rounds[min(len(standing.judged), len(exercise.rounds) - 1)]
        if round_.hint is not None:
            self.progress.add(Happened.HINT, exercise, level=standing.hints)
            self.tell("hint_of_change", text=round_.hint.of(self.view.language))
            return
        if standing.hints >= HINTS:
            self.tell("no_more_hints")
            return
        standing.hints += 1
        self.progress.add(Happened.HINT, exercise, level=standing.hints)
        text = exercise.hints[standing.hints - 1].of(self.view.language)
        self.tell("hint", level=standing.hints, count=HINTS, text=text)

    def _reveal(self, exercise: Exercise, number: int, played: Played, standing: Standing) -> Finding:
        """Show the run with the predictions beside it, and ask about its segments."""
        round_, view = exercise.rounds[number], self.view
        print()
        self.tell("running", "title")
        if played.finding is not Finding.KNOWN:
            self.print(view.not_judged(played))
            self._record(exercise, number, played, {}, standing)
            return played.finding
        verdicts = [judged(question, standing.answers.get(question.id), played) for question in round_.predict]
        self._record(exercise, number, played, {each.question.id: each for each in verdicts}, standing)
        pages = list(view.pages(played, verdicts))
        for at, lines in enumerate(pages):
            self.print(lines)
            is_last = at == len(pages) - 1
            if not is_last and self._read(view.say("enter_next") + " ").strip().lower() in _commands("quit"):
                self.leave()
        right = sum(each.judgement.right for each in verdicts)
        print()
        self.tell("of_rounds", right=right, count=len(verdicts))
        self._investigate(exercise, round_, played, standing)
        return played.finding

    def _record(
        self, exercise: Exercise, number: int, played: Played, verdicts: dict[str, Verdict], standing: Standing
    ) -> None:
        rows = {
            id_: {
                "right": each.judgement.right,
                "misconception": each.judgement.misconception,
                "kernel": each.question.kind.show(played.truths[id_].value),
            }
            for id_, each in verdicts.items()
        }
        if number not in standing.judged:
            self.progress.add(
                Happened.JUDGED, exercise, attempt=standing.attempt, round=number, finding=played.finding.value,
                verdicts=rows, **transcript(played, standing.family),
            )  # fmt: skip
            if rows:
                standing.judged[number] = rows

    def _investigate(self, exercise: Exercise, round_: Round, played: Played, standing: Standing) -> None:
        """Ask about the segments just seen, until the answer is right or has been shown."""
        left = [question for question in round_.investigate if question.id not in standing.investigated]
        if left:
            print()
            self.tell("investigate", "title")
        for at, question in enumerate(left, 1):
            for attempt in range(1, _TRIES + 1):
                typed = self._predict(exercise, question, played.own, at, len(left), standing)
                verdict = judged(question, typed, played)
                right = verdict.judgement.right
                self.progress.add(
                    Happened.INVESTIGATED, exercise, attempt=standing.attempt, question=question.id, typed=typed,
                    right=right, misconception=verdict.judgement.misconception,
                )  # fmt: skip
                if right:
                    self.tell("right", "pass")
                    break
                if attempt < _TRIES:
                    if verdict.judgement.misconception:
                        self.print(self.view.paragraph(self.view.reason(verdict, played.own)))
                    self.tell("try_again", "fail", left=_TRIES - attempt)
                    continue
                value = self.view.value(question, played.truths[question.id].value, played.own)
                why = question.why.of(self.view.language).format_map(played.own)
                self.tell("it_is", value=value, why=why)

    def skip(self, exercise: Exercise) -> None:
        """Record that the learner skips an exercise."""
        self.progress.add(Happened.SKIPPED, exercise)
        self.tell("skipped", id=exercise.id)

    def give_up(self, exercise: Exercise) -> None:
        """Record that the learner gives up, and show the answers."""
        self.progress.add(Happened.GAVE_UP, exercise)
        self.tell("gave_up", id=exercise.id)
        self.explain(exercise)

    def explain(self, exercise: Exercise) -> None:
        """Show the answers with their reasons, for the numbers of the current attempt."""
        standing = self.progress.standing(exercise.id)
        own = exercise.numbers(self.progress.learner, max(1, standing.attempt))
        self.print(self.view.answers(exercise, own, standing.family))
        self.tell("learned", text=exercise.learned.of(self.view.language))

    def summarize(self, exercise: Exercise) -> None:
        """Show what an exercise has shown, with the learner's ladders."""
        self.print(summary(exercise, self.progress, self.view))

    def end_track(self, catalogue: Catalogue) -> None:
        """Say that the first track is done, and what of it was given up."""
        self.tell("all_done")
        ids = [id_ for id_ in catalogue.tracks[0].exercises if self.progress.standing(id_).status is Status.GIVEN_UP]
        if ids:
            self.tell("given_up", ids=", ".join(ids), first=ids[0])

    def enrol(self, student: str | None, token: str | None) -> None:
        """Keep whose numbers the exercises have, if that is given and new."""
        learner = self.progress.learner.but(student, token)
        if learner != self.progress.learner:
            self.progress.enrol(learner)
            if self.progress.place > 1:
                self.tell("kept_apart")

    def _read(self, prompt: str) -> str:
        """A line that is typed. Exits at the end of the input."""
        try:
            return input(prompt)
        except EOFError:
            print()
            self.leave()
        except UnicodeDecodeError:
            return "\ufffd"


def _commands(name: str) -> set[str]:
    """The words in any language that a learner may type for a command."""
    from lab.exercise.view import table

    return {word for texts in (table().get(f"command_{name}") or {}).values() for word in texts.split()}


def prepare_terminal() -> None:
    """Line editing and a history of typed lines, where input comes from a terminal."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  # input() uses it once it is loaded
