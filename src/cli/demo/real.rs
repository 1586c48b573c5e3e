//! The real jobs of the demo: `jobledger exec` runs a small script again and again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

/// Counts the entries of folders that every machine has.
const SCRIPT: &str = r#"set -- /bin /etc /usr /var
total=$#
done=0
for folder; do
  echo "::progress records_processed=$done total_records=$total step=\"counting $folder\""
  echo "$folder: $(ls "$folder" | wc -l) entries"
  echo "::item $folder completed"
  sleep "$DEMO_PAUSE"
  done=$((done + 1))
done
echo "::progress records_processed=$done total_records=$total"
"#;

/// Runs the script until this value is dropped.
pub(super) struct RealJobs(Arc<Mutex<State>>);

/// What runs just now.
enum State {
    Between,
    Running(Pid),
    Over,
}

impl RealJobs {
    /// Starts the jobs on the server at `url`. Reports that wait lie in `folder`.
    pub(super) fn start(url: &str, token: &str, folder: &Path, pace: Duration) -> RealJobs {
        let state = Arc::new(Mutex::new(State::Between));
        let (shared, url, token) = (state.clone(), url.to_owned(), token.to_owned());
        let spool = folder.join("spool");
        std::thread::spawn(move || {
            while let Some(mut child) = start_one(&shared, &url, &token, &spool, pace) {
                let _ = child.wait();
                {
                    let mut state = shared.lock();
                    if matches!(*state, State::Over) {
                        return;
                    }
                    *state = State::Between;
                }
                std::thread::sleep(pace * 8);
            }
        });
        RealJobs(state)
    }
}

/// Starts one job; `None` once the demo is over, or if the program cannot be started.
fn start_one(state: &Mutex<State>, url: &str, token: &str, spool: &PathBuf, pace: Duration) -> Option<Child> {
    let mut state = state.lock();
    if matches!(*state, State::Over) {
        return None;
    }
    // Ends soon by itself if the demo is killed.
    let child = Command::new(std::env::current_exe().ok()?)
        .args(["exec", "--job-type", "inventory", "--lease", "10s", "--deliver-timeout", "1s", "--worker", "demo"])
        .args(["--url", url, "--spool"])
        .arg(spool)
        .args(["--", "sh", "-c", SCRIPT])
        .env("JOBLEDGER_TOKEN", token)
        .env("DEMO_PAUSE", (pace * 2).as_secs_f64().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    *state = State::Running(Pid::from_child(&child));
    Some(child)
}

impl Drop for RealJobs {
    fn drop(&mut self) {
        let running = std::mem::replace(&mut *self.0.lock(), State::Over);
        if let State::Running(exec) = running {
            // It passes the signal on to the script. A process that has ended already is no error.
            let _ = kill_process(exec, Signal::TERM);
        }
    }
}
