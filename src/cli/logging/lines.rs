//! Log lines go to stderr through a bounded queue and a thread. Logging never blocks and never fails: a line that cannot be
//! queued or written is dropped and counted.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines of at most this many bytes wait for stderr: 4 MiB.
const QUEUED_BYTES: usize = 4 << 20;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How often the end of the process looks whether all lines are written.
const LOOKS: u32 = 200;

/// A queue of lines. Cheap to clone.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: Counter,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// Bytes that wait, with the lines that the thread writes now.
    bytes: usize,
}

impl Lines {
    /// Starts the thread that writes to `out`. It ends with the process.
    pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<Lines> {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new(), dropped: Counter::default() };
        let lines = Lines(Arc::new(shared));
        let thread = lines.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || thread.write_for_ever(out))?;
        Ok(lines)
    }

    /// Lines that were dropped since the start.
    pub(super) fn dropped(&self) -> &Counter {
        &self.0.dropped
    }

    /// Waits until every line is written, for a second at the most. Holds no lock while it waits, because a thread that panics
    /// calls it too.
    pub(super) fn flush(&self) {
        for _ in 0..LOOKS {
            if self.queue().bytes == 0 {
                return;
            }
            std::thread::sleep(LAST_LINES / LOOKS);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock()
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.queue();
        if queue.bytes + line.len() > QUEUED_BYTES {
            self.0.dropped.inc();
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.to_vec());
        drop(queue);
        self.0.changed.notify_one();
    }

    fn next(&self) -> Vec<u8> {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                return line;
            }
            self.0.changed.wait(&mut queue);
        }
    }

    fn write_for_ever(&self, mut out: impl Write) {
        let mut told = 0;
        loop {
            let line = self.next();
            let written = out.write_all(&line).and_then(|()| out.flush());
            if written.is_err() {
                self.0.dropped.inc();
            }
            self.queue().bytes -= line.len();
            let dropped = self.0.dropped.get();
            if written.is_ok() && dropped > told {
                let lines = dropped - told;
                tracing::warn!(lines, "lines of the log were dropped here, because stderr was full or closed");
                told = dropped;
            }
        }
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Lines;

    fn make_writer(&'l self) -> Lines {
        self.clone()
    }
}

/// `tracing_subscriber` writes each line at once.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Takes a line whenever the test lets it, and fails while the test says so.
    struct Slow {
        taken: Sender<Vec<u8>>,
        go: Receiver<bool>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            match self.go.recv() {
                Ok(true) => drop(self.taken.send(line.to_vec())),
                _ => return Err(std::io::ErrorKind::StorageFull.into()),
            }
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_stderr_does_not_take_are_counted_and_delay_nothing() {
        let ((taken, lines_taken), (let_go, go)) = (channel(), channel());
        let mut lines = Lines::start(Slow { taken, go }).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            lines.write_all(&line).unwrap();
        }
        assert_eq!(lines.dropped().get(), 6);
        let_go.send(false).unwrap();
        for _ in 0..3 {
            let_go.send(true).unwrap();
        }
        lines.flush();
        assert_eq!(lines_taken.try_iter().count(), 3);
        assert_eq!(lines.dropped().get(), 7);
    }
}
