mod cache;
mod delegated;
mod order;
mod repo;
mod requests;
mod search;
mod top_level;
