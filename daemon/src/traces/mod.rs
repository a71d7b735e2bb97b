//! What a tracing system is told: each activity that has ended, with its stages and steps, by OTLP over HTTP.
//!
//! A trace is made of the record when an activity has ended, not of spans that are open while it goes on: so it is whole
//! over a daemon's death, and nothing is in the way of a deployment. Who takes traces is told each once; what does not get
//! through is gone, since the record has it.
//!
//! Only with the feature `otel`: what encodes traces is for those who want them.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod present;
#[cfg(feature = "otel")]
mod spans;

#[cfg(not(feature = "otel"))]
pub use absent::{Traces, deliver};
#[cfg(feature = "otel")]
pub use present::{Traces, deliver};
