//! Effects on repositories, slugs and releases.

pub mod checkout;
pub mod freeze;
pub mod repository;
pub mod slug_key;
