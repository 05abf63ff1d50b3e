//! A recipe's way through the stages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rauc_bundle::block_hash_index::BlockHashIndex;

use crate::apt::Mirrors;
use crate::cache::{Cache, Stage, StageReport};
use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::recipe::{Output, Recipe};
use crate::service::Contribution;
use crate::stages::filesystem::Additions;
use crate::stages::payload::Payload;
use crate::stages::programs::Linking;
use crate::stages::slot::SlotImages;
use crate::stages::{
    Context, base, deb, disk, emulator, filesystem, firmware, initramfs, modules, payload, programs, root,
    slot, tools,
};
use crate::workspace::{Crate, Workspace};

/// Builds images of one workspace into one cache.
#[derive(Debug)]
pub struct Builder {
    cache: Cache,
    workspace: Workspace,
    mirrors: Mirrors,
    keyring: Option<PathBuf>,
}

/// A finished image. Its files lie in the cache and are read-only: boot a copy or an overlay.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Image {
    /// The recipe's name.
    pub name: String,
    /// The boot disk; for an initramfs recipe absent.
    pub disk: Option<PathBuf>,
    /// Further disks, by name.
    pub data_disks: BTreeMap<String, PathBuf>,
    /// Kernel, as it stands in the image.
    pub kernel: PathBuf,
    /// Initramfs, as it stands in the image.
    pub initramfs: PathBuf,
    /// JSON list of name and version of the installed Debian packages.
    pub packages: PathBuf,
    /// What was built and reused for it.
    pub stages: Vec<StageReport>,
    /// Seconds the whole took.
    pub seconds: f64,
    /// The Debian release it is made of: the one to take firmware from.
    pub release: String,
    hash: String,
}

/// UEFI firmware for virtual machines that boot images of one release.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// Code, to be mapped read-only.
    pub code: PathBuf,
    /// Template of the variables: copy it for every machine.
    pub variables: PathBuf,
}

impl Builder {
    /// A builder for the workspace in `workspace`, with its cache in `cache`. Waits while another builder
    /// uses that cache.
    pub fn open(workspace: &Path, cache: &Path) -> Result<Self> {
        let cache = Cache::open(cache)?;
        let log = Log(cache.persistent("logs")?.join("workspace.log"));
        let _ = std::fs::remove_file(&log.0);
        let workspace = Workspace::open(workspace, &log)?;
        Ok(Self { cache, workspace, mirrors: Mirrors::of_host(), keyring: None })
    }

    /// With the certificates (PEM) that updates of the images must be signed by.
    pub fn with_keyring(mut self, keyring: PathBuf) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// Builds the recipe in `file`, or reuses what is up to date.
    pub fn build(&self, file: &Path) -> Result<Image> {
        let started = Instant::now();
        let before = self.cache.reports().len();
        let recipe = Recipe::load(file)?;
        let context = self.context(&recipe.release)?;
        let root = root::stage(&context, &recipe)?;
        let mut image = match recipe.output {
            Output::Initramfs => self.initramfs(&context, &recipe, &root)?,
            Output::Disk => self.disk(&context, &recipe, &root)?,
        };
        image.packages = root.path.join("packages.json");
        image.stages = self.cache.reports().split_off(before);
        image.seconds = started.elapsed().as_secs_f64();
        Ok(image)
    }

    /// The firmware of a release.
    pub fn firmware(&self, release: &str) -> Result<Firmware> {
        let tools = tools::stage(&self.cache, &self.mirrors, release)?;
        let stage = firmware::stage(&self.cache, &tools, release)?;
        Ok(Firmware { code: stage.path.join(firmware::CODE), variables: stage.path.join(firmware::VARS) })
    }

    /// A QEMU of a release that emulates virtualisation well enough for an image to boot UEFI machines
    /// itself: for hosts without KVM, on which that image is booted.
    pub fn emulator(&self, release: &str) -> Result<PathBuf> {
        Ok(emulator::stage(&self.cache, &self.mirrors, release)?.path.join(emulator::PROGRAM))
    }

    /// Bytes of the boot disk compressed with zstd: what a person would download.
    pub fn compressed_bytes(&self, image: &Image) -> Result<u64> {
        let Some(disk) = &image.disk else {
            return Ok(image.initramfs.metadata().at("read", &image.initramfs)?.len());
        };
        let context = self.context(&image.release)?;
        let key = Key::default().value("disk", &image.hash).value("tools", &context.tools.hash);
        let stage = self.cache.stage(&format!("compressed size {}", image.name), &key, |out, _, log| {
            let root = context.build_root().with("disk.raw", disk).with_writable("out", out);
            root.run(
                log,
                "compress the disk",
                "zstd -q -T0 -3 -c /run/build/disk.raw | wc -c > /run/build/out/bytes",
            )?;
            Ok(())
        })?;
        let file = stage.path.join("bytes");
        let text = std::fs::read_to_string(&file).at("read", &file)?;
        text.trim()
            .parse()
            .map_err(|_| Error::content(&image.name, "its size is unreadable", "remove the cache"))
    }

    fn context(&self, release: &str) -> Result<Context<'_>> {
        let tools = tools::stage(&self.cache, &self.mirrors, release)?;
        Ok(Context { cache: &self.cache, workspace: &self.workspace, mirrors: &self.mirrors, tools })
    }

    fn initramfs(&self, context: &Context, recipe: &Recipe, root: &Stage) -> Result<Image> {
        let program = match &recipe.program {
            Some(program) => Some(self.workspace.member(&recipe.name, &program.service)?),
            None => None,
        };
        let crates: Vec<_> = program.into_iter().collect();
        let programs = programs::stage(context, &recipe.name, &crates, Linking::Static)?;
        let stage = initramfs::stage(context, recipe, root, programs.as_ref())?;
        Ok(image(recipe, &stage, &stage, false))
    }

    /// What an update bundle of the recipe in `file` carries.
    pub fn payload(&self, file: &Path) -> Result<Payload> {
        let recipe = Recipe::load(file)?;
        let context = self.context(&recipe.release)?;
        let root = root::stage(&context, &recipe)?;
        let (_, slot) = self.slot(&context, &recipe, &root)?;
        payload::stage(&context, &recipe, &slot)
    }

    /// The block hash indexes of a bundle, in the order of a payload's.
    pub fn indexes_of(&self, release: &str, bundle: &Path) -> Result<Vec<BlockHashIndex>> {
        payload::indexes_of(&self.context(release)?, bundle)
    }

    fn disk(&self, context: &Context, recipe: &Recipe, root: &Stage) -> Result<Image> {
        let (base, slot) = self.slot(context, recipe, root)?;
        let disk = disk::stage(context, recipe, &root::kernel_of(root, recipe)?, &slot)?;
        Ok(image(recipe, &disk, &base, true))
    }

    /// The base, for its kernel, and the images that fill a slot.
    fn slot(&self, context: &Context, recipe: &Recipe, root: &Stage) -> Result<(Stage, SlotImages)> {
        let mut included = Vec::new();
        for include in &recipe.include {
            let other = Recipe::load(&include.recipe)?;
            let root = root::stage(context, &other)?;
            let image = self.initramfs(context, &other, &root)?;
            let path = image.kernel.parent().unwrap_or(&image.kernel).to_owned();
            included.push((include.to.clone(), Stage { path, hash: image.hash }));
        }
        let modules = modules::stage(context, recipe, root)?;
        let base = base::stage(context, recipe, root, modules.as_ref())?;
        let (mut services, mut services_key) = self.services(context, recipe)?;
        if let Some(to) = &recipe.keyring {
            let keyring = self.keyring.as_ref().ok_or_else(|| {
                Error::content(
                    &recipe.name,
                    "its updates have to be signed, and no keyring was given to the builder",
                    "make development keys with `cargo xtask keys`, or give --keyring FILE",
                )
            })?;
            let text = std::fs::read_to_string(keyring).at("read", keyring)?;
            services_key = services_key.value("keyring", &text);
            services.overlay.text(to, text);
        }
        let debs = self.debs(context, recipe)?;
        let additions = Additions { services, services_key, debs, included };
        let filesystem = filesystem::stage(context, recipe, &base, additions)?;
        let slot = slot::stage(context, recipe, &base, &filesystem)?;
        Ok((base, slot))
    }

    /// Compiles the services and collects what their folders hold.
    fn services(&self, context: &Context, recipe: &Recipe) -> Result<(Contribution, Key)> {
        let crates = self.members(recipe, &recipe.services)?;
        let programs = programs::stage(context, &recipe.name, &crates, Linking::Dynamic)?;
        let mut contribution = Contribution::default();
        let mut key = Key::default().value("vendor", &recipe.vendor);
        for krate in crates {
            contribution.add_files(krate.folder())?;
            if let Some(programs) = &programs {
                contribution.add_programs(krate, &recipe.vendor, &programs.path)?;
            }
            // Sources count through the programs; units and policies lie in the same folder.
            key = key.path(&format!("files of {}", krate.name), krate.folder())?;
        }
        let key = key.value("programs", &programs.map(|p| p.hash));
        Ok((contribution, key))
    }

    fn debs(&self, context: &Context, recipe: &Recipe) -> Result<Vec<Stage>> {
        let crates = self.members(recipe, &recipe.debs)?;
        let Some(programs) = programs::stage(context, &recipe.name, &crates, Linking::Static)? else {
            return Ok(Vec::new());
        };
        crates.iter().map(|krate| deb::stage(context, krate, &programs)).collect()
    }

    fn members(&self, recipe: &Recipe, folders: &[String]) -> Result<Vec<&Crate>> {
        folders.iter().map(|folder| self.workspace.member(&recipe.name, folder)).collect()
    }
}

fn image(recipe: &Recipe, stage: &Stage, kernel: &Stage, disk: bool) -> Image {
    let data_disk = |name: &String| (name.clone(), stage.path.join(format!("{name}.raw")));
    Image {
        name: recipe.name.clone(),
        disk: disk.then(|| stage.path.join("disk.raw")),
        data_disks: recipe.disks.iter().map(|d| data_disk(&d.name)).collect(),
        kernel: kernel.path.join("vmlinuz"),
        initramfs: kernel.path.join("initrd.img"),
        packages: PathBuf::new(),
        stages: Vec::new(),
        seconds: 0.0,
        hash: stage.hash.clone(),
        release: recipe.release.clone(),
    }
}
