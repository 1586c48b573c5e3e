//! The limit of open files of a server. Each connection is one, so it also bounds the streams.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a server has open beside its streams: databases, sockets that listen, and short requests.
const OTHERS: u64 = 256;

/// Raises the soft limit of this process to its hard limit, and logs a warning if that is too low for so many streams.
pub(super) fn make_room_for(streams: u32) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // `None` stands for no limit.
    let limit = if raised.is_ok() { maximum } else { current };
    if let Some(limit) = limit.filter(|limit| *limit < u64::from(streams) + OTHERS) {
        tracing::warn!(
            limit,
            max_tails = streams,
            "this process may open fewer files than --max-tails needs; raise its hard limit (`ulimit -Hn`, or LimitNOFILE= in a \
             unit of systemd), or lower --max-tails"
        );
    }
}
