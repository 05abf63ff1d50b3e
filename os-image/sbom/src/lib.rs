//! The software bill of materials of an image: SPDX 2.3 in JSON, of its Debian packages and its crates.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (metadata, lock) = (b"", "");
//! # use std::path::Path;
//! use os_sbom::{Sbom, cargo, debian, policy};
//!
//! let mut sbom = Sbom::new("appliance", "0.1.0", jiff::Timestamp::from_second(1_700_000_000)?);
//! sbom.add(debian::Root::read(Path::new("root.tar"))?.inventory(Path::new("debs"))?);
//! let crates = cargo::Workspace::parse(metadata, lock)?.inventory(&["scheduler", "gateway"])?;
//! for offender in policy::offenders(&crates) {
//!     eprintln!("{offender}");
//! }
//! sbom.add(crates);
//! std::fs::write("appliance.spdx.json", sbom.to_json())?;
//! println!("{}", sbom.summary());
//! # Ok(()) }
//! ```
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
pub mod policy;
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
