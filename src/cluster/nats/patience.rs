//! Requests that the servers of NATS do not answer while they choose their leaders.

use std::time::Duration;

use super::NatsError;

/// How often a request is sent at the most.
const ATTEMPTS: u32 = 10;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks again after a request that failed, ten times at the most, with a second in between.
///
/// # Errors
///
/// The last failure, or the first one that is no failed request.
pub async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, NatsError>) -> Result<T, NatsError> {
    for _ in 1..ATTEMPTS {
        match ask().await {
            Err(error @ NatsError::Request { .. }) => {
                tracing::info!(error = &error as &dyn std::error::Error, "NATS is not ready; it is asked again");
                tokio::time::sleep(PAUSE).await;
            }
            answered => return answered,
        }
    }
    ask().await
}
