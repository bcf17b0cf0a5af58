"""The types of requests and responses, for sentiment and for reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from kit.task import Strict

Label = Literal["positive", "negative", "neutral"]
LABELS: tuple[Label, ...] = get_args(Label)
LEAST_SUM, MOST_SUM = 1 - 1e-6, 1 + 1e-6

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S", description="A company's name, as written")]


class SentimentRequest(Strict):
    """A text, and the companies that the client asks about."""

    text: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S", description="News or a part of a report")]
    entities: Annotated[
        tuple[Name, ...], Field(max_length=20, description="Companies to judge; empty: the text as a whole")
    ] = ()

    @model_validator(mode="after")
    def _each_once(self) -> SentimentRequest:
        if len({name.casefold() for name in self.entities}) < len(self.entities):
            raise ValueError("an entity is listed twice")
        return self


class Probabilities(Strict):
    """One probability for each label; together they are 1."""

    positive: Share
    negative: Share
    neutral: Share

    @model_validator(mode="after")
    def _whole(self) -> Probabilities:
        if not LEAST_SUM <= self.positive + self.negative + self.neutral <= MOST_SUM:
            raise ValueError("the probabilities of the three labels do not sum to 1")
        return self

    def of(self, label: str) -> float:
        """The probability of one label."""
        return float(getattr(self, label))


class Sentiment(Strict):
    """What the text says of one company. In data files, the label is enough: it then has probability 1."""

    entity: Annotated[str | None, Field(description="The company; null: the text as a whole")] = None
    label: Annotated[Label, Field(description="The most probable label")]
    probabilities: Probabilities
    confidence: Annotated[Share, Field(description="The probability of the label")]
    mentioned: Annotated[bool, Field(description="Whether the text has the company's name. If not, use no label")] = (
        True
    )

    @model_validator(mode="before")
    @classmethod
    def _certain(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("label") not in LABELS or "probabilities" in given:
            return given
        sure = {label: float(label == given["label"]) for label in LABELS}
        return {"probabilities": sure, "confidence": 1.0, **given}

    @model_validator(mode="after")
    def _consistent(self) -> Sentiment:
        if self.confidence != self.probabilities.of(self.label):
            raise ValueError("confidence is not the probability of the label")
        if self.confidence < max(self.probabilities.of(label) for label in LABELS):
            raise ValueError("another label is more probable")
        return self


class SentimentResponse(Strict):
    """One sentiment for each entity of the request, in its order."""

    sentiments: Annotated[tuple[Sentiment, ...], Field(min_length=1)]


PERIOD = r"^(?:Q[1-4] |H[12] |FY ?)?(?:19|20)\d\d$"


class Row(Strict):
    """One cell of the table: what was measured, in what, when, and how much."""

    measure: Annotated[str, Field(min_length=1, max_length=80, pattern=r"[^\W\d_]", description="Such as net sales")]
    unit: Annotated[str, Field(min_length=1, max_length=40, description="Such as EUR million, %, stores")]
    period: Annotated[str, Field(pattern=PERIOD, description="Q3 2031, H1 2031, FY 2031 or 2031")]
    value: Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class ReportRequest(Strict):
    """A table to write about."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", description="What the table is about")]
    table: Annotated[tuple[Row, ...], Field(min_length=1, max_length=60)]

    @model_validator(mode="after")
    def _one_value_per_cell(self) -> ReportRequest:
        keys = [(row.measure.casefold(), row.period) for row in self.table]
        if len(set(keys)) < len(keys):
            raise ValueError("the table has two values of one measure in one period")
        units = {(row.measure.casefold(), row.unit) for row in self.table}
        if len(units) > len({measure for measure, _ in units}):
            raise ValueError("a measure has two units; give it one")
        return self


class Figure(Strict):
    """A figure of the text, or a word such as "fell", and the cells that it was checked against."""

    quote: Annotated[str, Field(description="The figure as it stands in the text")]
    start: Annotated[int, Field(ge=0, description="In Unicode code points of the text")]
    end: Annotated[int, Field(ge=0)]
    state: Literal["supported", "unsupported"]
    kind: Annotated[
        Literal["value", "difference", "percent_change", "direction"],
        Field(description="A cell; the difference of two cells; the same in percent; a rise or fall without a figure"),
    ]
    measure: Annotated[str | None, Field(description="The measure that the sentence speaks of")] = None
    unit: Annotated[str | None, Field(description="The unit of the measure in the table")] = None
    sign: Annotated[Literal["+", "-"] | None, Field(description="The sign that the text gives the figure")] = None
    period: Annotated[str | None, Field(description="The period that the sentence speaks of")] = None
    compared_with: Annotated[str | None, Field(description="The earlier period of a change")] = None
    reason: Annotated[str | None, Field(description="Why it is not supported")] = None

    @model_validator(mode="after")
    def _reasoned(self) -> Figure:
        if (self.state == "unsupported") != (self.reason is not None):
            raise ValueError("an unsupported figure has a reason, and a supported one has none")
        if self.state == "supported" and (self.measure is None or self.period is None):
            raise ValueError("a supported figure has a measure and a period")
        return self


class ReportResponse(Strict):
    """The report, and where each of its figures comes from."""

    text: str
    figures: tuple[Figure, ...]
    status: Annotated[Literal["ok", "flagged"], Field(description="ok: it has figures, and all of them are supported")]

    @model_validator(mode="after")
    def _honest(self) -> ReportResponse:
        sound = bool(self.figures) and all(figure.state == "supported" for figure in self.figures)
        if (self.status == "ok") != sound:
            raise ValueError("the status is ok if and only if there are figures and all are supported")
        if any(self.text[figure.start : figure.end] != figure.quote for figure in self.figures):
            raise ValueError("a figure does not stand where it says")
        return self
