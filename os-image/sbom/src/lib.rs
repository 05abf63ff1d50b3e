//! The software bill of materials of an image: SPDX 2.3 in JSON, of its Debian packages and its crates.
//!
//! A licence is what the package says of itself: a Debian package in its copyright file, a crate in its
//! manifest. What SPDX has no name for is quoted; what says nothing is listed by [`Summary`].

pub mod cargo;
pub mod debian;
mod document;
mod error;
mod expression;
mod licence;
mod package;
mod purl;
mod sbom;
mod summary;
mod text;

pub use error::{Error, Result};
pub use expression::Expression;
pub use licence::{Licence, LicenceText};
pub use package::{Inventory, Origin, Package, Relation, RelationKind};
pub use sbom::Sbom;
pub use summary::Summary;
