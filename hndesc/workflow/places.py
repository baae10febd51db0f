"""Where a run puts its results: in a folder of its own, and what other runs can use in one that all share."""

import hashlib
import json
import re
from typing import Any

from hndesc.workflow.config import Config


class Places:
    """The folders of a run.

    Attributes:
        results: what is the run's own.
        shared: what depends on a data set and a few settings alone: keypoints, stylized copies, prepared images. Of the
            run without a name this is the same folder.
    """

    def __init__(self, config: Config) -> None:
        self.named = config.run is not None
        self.results = f"results/{config.run}" if self.named else "results"
        self.shared = "results/shared" if self.named else "results"

    def label(self, name: str, *made_from: Any, title: str | None = None) -> str:
        """Return the name of something shared.

        Args:
            name: in the run without a name.
            *made_from: of a named run a hash of this is added, so that equal things have equal names.
            title: stands for `name` there.
        """
        if not self.named:
            return name
        title = re.sub("[^A-Za-z0-9_-]+", "-", name if title is None else title)
        text = json.dumps(made_from, sort_keys=True)
        return f"{title}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
