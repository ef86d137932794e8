"""Every bound in one place, each with its reason. Sizes are bytes, times nanoseconds.

The ones an operator may want to move are also in the topology (`limits:` and the applications); these are their defaults.

Each room has a module of its own here; everyone says ``limits.NAME``.
"""

from arcly_actors.limits.bus import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.hls import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.media import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.mpegts import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.operating import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.remotes import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.renditions import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.rtmp import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.rtp import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.rtsp import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.runtime import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.script import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.srt import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.transport import *  # noqa: F403 - one name for all bounds
from arcly_actors.limits.webrtc import *  # noqa: F403 - one name for all bounds
