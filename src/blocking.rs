//! Work that blocks, run beside the async threads.

/// Runs `work`, which reads a file or computes for long, on a thread that may block.
///
/// A panic in `work` goes on in the caller.
pub async fn off_thread<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
