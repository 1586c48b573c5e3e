//! What `/metrics` says of the process, under the names that Prometheus' client libraries use. Read from Linux's `/proc`; elsewhere
//! there is nothing to say.

use prometheus_client::registry::Registry;

use crate::http::observe::in_request;

/// Registers what can be read of the process now.
#[cfg(target_os = "linux")]
pub fn register(registry: &mut Registry) {
    if let Err(error) = linux::register(registry) {
        let error = &error as &dyn std::error::Error;
        in_request(|| tracing::debug!(error, "/proc cannot be read for the metrics"));
    }
}

/// Registers nothing.
#[cfg(not(target_os = "linux"))]
pub fn register(_: &mut Registry) {}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::{LimitValue, Process};
    use procfs::{ProcResult, WithCurrentSystemInfo};
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;
    use prometheus_client::registry::Registry;

    pub(super) fn register(registry: &mut Registry) -> ProcResult<()> {
        let process = Process::myself()?;
        let (stat, limits) = (process.stat()?, process.limits()?);
        let ticks = procfs::ticks_per_second() as f64;
        let used = (stat.utime + stat.stime) as f64 / ticks;
        registry.register("process_cpu_seconds", "Processor time, user and system", ConstCounter::new(used));
        let started = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks;
        let help = "When the process was started, in seconds since 1970";
        registry.register("process_start_time_seconds", help, ConstGauge::new(started));
        let mut gauge = |name: &str, help: &str, value: u64| {
            registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
        };
        gauge("process_resident_memory_bytes", "Memory in RAM", stat.rss_bytes().get());
        gauge("process_virtual_memory_bytes", "Virtual memory", stat.vsize);
        gauge("process_threads", "Threads", u64::try_from(stat.num_threads).unwrap_or(0));
        gauge("process_open_fds", "Open file descriptors", process.fd_count()? as u64);
        if let LimitValue::Value(most) = limits.max_open_files.soft_limit {
            gauge("process_max_fds", "Bound open file descriptors", most);
        }
        Ok(())
    }
}
