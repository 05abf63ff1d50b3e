//! Recipes: what goes into an image, as TOML. [`load`](Recipe::load) reads one with its parents.

mod expand;
mod keys;
mod load;
mod size;

use std::path::PathBuf;

pub use load::RecipeError;
pub use size::Bytes;

/// A checked recipe, its parents merged in. Lists hold the parent's entries first.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// Names the stages and the image.
    pub name: String,
    /// Folder below `/usr/lib` for the services' programs.
    #[serde(default = "default_vendor")]
    pub vendor: String,
    /// Version of the image, as updates compare it; written to os-release as `IMAGE_VERSION`, beside the name as `IMAGE_ID`.
    #[serde(default)]
    pub version: Option<String>,
    /// What boxes its updates are for: RAUC's `compatible`.
    #[serde(default)]
    pub compatible: Option<String>,
    /// Where in the image lie the certificates that updates must be signed by; the builder is given them.
    #[serde(default)]
    pub keyring: Option<String>,
    /// Debian release, by codename.
    pub release: String,
    /// Archive components.
    #[serde(default = "default_components")]
    pub components: Vec<String>,
    /// What comes out.
    #[serde(default)]
    pub output: Output,
    /// Debian package of the kernel. A key of its own, so that a child can take another one than its parent.
    #[serde(default)]
    pub kernel: Option<String>,
    /// Debian packages; what is essential comes along, recommendations do not.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Paths (with `*`) of packages that are not installed, such as documentation.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Kernel modules loaded at boot where their hardware or file exists.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Packages that build kernel modules with DKMS; only the modules are carried over.
    #[serde(default)]
    pub module_packages: Vec<String>,
    /// Modules put into the initramfs and loaded there, besides the one of the root's filesystem.
    #[serde(default)]
    pub initramfs_modules: Vec<String>,
    /// Crate folders, relative to the workspace: programs, units, policies (see [`crate::service`]).
    #[serde(default)]
    pub services: Vec<String>,
    /// Crate folders packed as a Debian package with a statically linked program, and installed.
    #[serde(default)]
    pub debs: Vec<String>,
    /// Folders laid over the root, relative to the recipe that names them.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Other recipes whose kernel and initramfs go into this image.
    #[serde(default)]
    pub include: Vec<Include>,
    /// System users.
    #[serde(default)]
    pub users: Vec<User>,
    /// Units enabled besides those of the services.
    #[serde(default)]
    pub enable: Vec<String>,
    /// Units disabled.
    #[serde(default)]
    pub disable: Vec<String>,
    /// Units masked.
    #[serde(default)]
    pub mask: Vec<String>,
    /// `/etc/hostname`.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Kernel command line; the builder puts `root=` before it.
    #[serde(default)]
    pub cmdline: Vec<String>,
    /// For an initramfs: the program started by its `/init`.
    #[serde(default)]
    pub program: Option<Program>,
    /// Whether the root, which must be read-only, is protected by dm-verity from the boot loader's command line on.
    #[serde(default)]
    pub verity: bool,
    /// The partitions of the boot disk, in order.
    #[serde(default)]
    pub partitions: Vec<Partition>,
    /// Further disks, each one filesystem without a partition table.
    #[serde(default)]
    pub disks: Vec<DataDisk>,
    /// The locks of its packages, its parents' first: each lies beside its recipe and says what is other than in those before.
    #[serde(skip)]
    pub locks: Vec<PathBuf>,
}

/// What a recipe produces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A disk image with a GPT that boots by UEFI.
    #[default]
    Disk,
    /// A kernel and an initramfs.
    Initramfs,
}

/// Kernel and initramfs of another recipe, placed into this image.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Include {
    /// The recipe's file, relative to the recipe that names it.
    pub recipe: PathBuf,
    /// Folder in the image that gets `vmlinuz` and `initrd.img`.
    pub to: String,
}

/// A system user, made by systemd-sysusers when the image is built.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Home folder; none if absent.
    #[serde(default)]
    pub home: Option<String>,
    /// Shell; nologin if absent.
    #[serde(default)]
    pub shell: Option<String>,
    /// Further groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// One binary of one crate, linked statically.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Program {
    /// Crate folder, relative to the workspace.
    pub service: String,
    /// Name of the binary.
    pub bin: String,
}

/// One partition of the boot disk.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Partition {
    /// Name in the partition table.
    pub label: String,
    /// GPT type.
    #[serde(rename = "type", default)]
    pub kind: PartitionType,
    /// Size.
    pub size: Bytes,
    /// Filesystem; the partition is left empty without one.
    #[serde(default)]
    pub filesystem: Option<Filesystem>,
    /// What the filesystem holds; nothing if absent.
    #[serde(default)]
    pub content: Option<Content>,
    /// For a kernel or a root: the slot it belongs to, `A` or `B`. The image fills slot A, updates fill the other one.
    #[serde(default)]
    pub slot: Option<Slot>,
}

/// A bootable pair of kernel and root. Updates are written to the slot that is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Slot {
    /// Filled by the builder.
    A,
    /// Empty until the first update.
    B,
}

/// GPT partition types in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionType {
    /// EFI system partition.
    Esp,
    /// Linux filesystem data.
    #[default]
    Linux,
    /// Linux variable data: the only partition of the disk that may grow.
    LinuxVar,
}

/// Filesystems the builder can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filesystem {
    /// FAT, for the loader and the kernel.
    Vfat,
    /// Writable root or data.
    Ext4,
    /// Read-only, compressed.
    Erofs,
    /// Data disks; made empty.
    Xfs,
}

impl Filesystem {
    /// The name that the kernel's module and `mount -t` go by.
    pub fn kernel_name(self) -> &'static str {
        match self {
            Self::Vfat => "vfat",
            Self::Ext4 => "ext4",
            Self::Erofs => "erofs",
            Self::Xfs => "xfs",
        }
    }
}

/// What the builder puts into a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// GRUB on the path firmware looks for by itself.
    Loader,
    /// Kernel and initramfs, side by side.
    Kernel,
    /// The root filesystem.
    Root,
}

/// A disk beside the boot disk.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataDisk {
    /// Names the file and the filesystem's label.
    pub name: String,
    /// Filesystem on the bare disk.
    pub filesystem: Filesystem,
    /// Size: any multiple of 512 bytes.
    pub size: Bytes,
    /// Where `/etc/fstab` mounts it; nowhere if absent.
    #[serde(default)]
    pub mount: Option<String>,
}

fn default_vendor() -> String {
    "os-image".into()
}

fn default_components() -> Vec<String> {
    vec!["main".into()]
}
