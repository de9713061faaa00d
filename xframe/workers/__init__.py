"""One isolated process per framework. The parent never imports a framework; a crash becomes an error, not a hang."""

from xframe.workers.pool import Pool
from xframe.workers.settings import FRAMEWORKS, Settings, load_settings
from xframe.workers.worker import Reply, Worker

__all__ = ["FRAMEWORKS", "Pool", "Reply", "Settings", "Worker", "load_settings"]
