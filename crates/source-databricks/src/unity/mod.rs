//! Unity Catalog: names, and files by the credentials that it gives out.
//!
//! Databricks' service and the open-source server are one client here; what only one of them has is tried and done
//! without.

mod catalog;
mod client;
mod columns;
mod credentials;
mod descriptions;
mod legality;
mod listing;
mod model;
mod of_users;
mod paging;
mod prefix_store;
mod privileges;
mod spark_type;
mod store;

pub use self::catalog::{UnityCatalog, UnityOptions};
#[cfg(test)]
pub(crate) use self::client::UnityClient;
pub(crate) use self::columns::field_of;
#[cfg(test)]
pub(crate) use self::legality::refusal_of_credentials;
pub(crate) use self::model::ColumnInfo;
pub use self::of_users::UserCatalogs;
pub(crate) use self::spark_type::SparkType;
