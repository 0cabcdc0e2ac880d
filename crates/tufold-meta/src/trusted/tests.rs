mod cache;
mod delegated;
mod order;
mod receipt;
mod repo;
mod requests;
mod search;
mod top_level;
