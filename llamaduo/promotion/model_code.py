"""What MLflow runs to load a promoted model: this file is copied into every version.

`predict` takes prompts as plain strings, or chats as `{"messages": [{"role": .., "content": ..}]}`,
and gives as many answers. Without params it is greedy, by the path and in the form that was judged.
"""

import io
from pathlib import Path
from typing import Any

import mlflow
import pandas

from llamaduo.progress import Progress
from llamaduo.promotion.chats import chats_of
from llamaduo.promotion.served import opened


class Promoted(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A promoted model as MLflow knows models."""

    def load_context(self, context: Any) -> None:
        """Load all that is heavy, once. MLflow wants the parameter to be called so."""
        self.answering = opened(Path(context.artifacts["served"]).parent)

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> list[str]:
        """Answer the prompts, or chats, of the one column that MLflow makes of the input."""
        chats = chats_of(list(map(str, model_input.columns)), model_input.to_numpy().tolist())
        given = params or {}
        said = self.answering.say(
            chats,
            temperature=float(given.get("temperature", 0.0)),
            max_new_tokens=int(given.get("max_new_tokens", self.answering.max_new_tokens)),
            seed=int(given.get("seed", 0)),
            progress=Progress(io.StringIO()),
        )
        texts = {chat: answer.text for chat, answer in said}
        return [texts[chat] for chat in chats]


mlflow.models.set_model(Promoted())
