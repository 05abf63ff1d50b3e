//! A recipe's way through the stages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use rauc_bundle::block_hash_index::BlockHashIndex;

use crate::apt::{self, Mirrors};
use crate::cache::{Cache, Stage, StageReport};
use crate::command::Log;
use crate::divergence::{Divergence, Inspector};
use crate::error::{Error, IoContext, Result};
use crate::explain::Forecast;
use crate::key::Key;
use crate::packages::Packages;
use crate::packages::lock::Lock;
use crate::packages::update::{self, LockUpdate};
use crate::parts::both_parts;
use crate::recipe::{Output, Recipe};
use crate::service::Contribution;
use crate::sizes::{Makeup, Origin, Origins, Sizes};
use crate::stages::filesystem::Additions;
use crate::stages::payload::Payload;
use crate::stages::programs::Linking;
use crate::stages::slot::SlotImages;
use crate::stages::{
    Context, base, compressed, deb, disk, emulator, filesystem, firmware, initramfs, modules, payload,
    programs, root, sbom, slot, tools,
};
use crate::toolbox::Toolbox;
use crate::workspace::{Crate, Workspace};

/// Builds images of one workspace into one cache.
#[derive(Debug)]
pub struct Builder {
    cache: Cache,
    workspace: Workspace,
    mirrors: Mirrors,
    keyring: Option<PathBuf>,
    strict: bool,
    in_steps: bool,
    /// The stages known to be unlocked.
    unlocked: Mutex<BTreeSet<String>>,
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
    /// The bill of materials of a disk: SPDX in JSON. The same is in the image's `/usr/share/sbom`.
    pub sbom: Option<PathBuf>,
    /// JSON list of name and version of the installed Debian packages.
    pub packages: PathBuf,
    /// What was built and reused for it.
    pub stages: Vec<StageReport>,
    /// Seconds the whole took.
    pub seconds: f64,
    /// The Debian release it is made of: the one to take firmware from.
    pub release: String,
    hash: String,
    #[serde(skip)]
    pub(crate) makeup: Makeup,
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
        Ok(Self::of(cache, workspace))
    }

    /// A builder that builds nothing, to be asked what it would do.
    pub(crate) fn explaining(workspace: &Path, cache: &Path) -> Result<Self> {
        let cache = Cache::explaining(cache)?;
        let log = tempfile::NamedTempFile::new().at("make a file in", &std::env::temp_dir())?;
        let workspace = Workspace::open(workspace, &Log(log.path().to_owned()))?;
        Ok(Self::of(cache, workspace))
    }

    fn of(cache: Cache, workspace: Workspace) -> Self {
        let mirrors = Mirrors::of_host();
        let unlocked = Mutex::default();
        Self { cache, workspace, mirrors, keyring: None, strict: false, in_steps: false, unlocked }
    }

    /// What it would do.
    pub(crate) fn into_forecast(self) -> Option<Forecast> {
        self.cache.into_forecast()
    }

    /// With the certificates (PEM) that updates of the images must be signed by.
    pub fn with_keyring(mut self, keyring: PathBuf) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// Refusing whatever is not locked.
    pub fn locked(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Compiling programs in steps, for who changes a line and wants to see what comes of it: what did not change is not optimised anew.
    /// It comes to other machine code, and rustc does not promise that earlier steps leave no trace, so tests and releases do without.
    pub fn in_steps(mut self) -> Self {
        self.in_steps = true;
        self
    }

    /// Locks the packages that the mirror has now for the recipe in `file`, and for the tools of its release if their lock is not of them.
    pub fn update_lock(&self, file: &Path) -> Result<Vec<LockUpdate>> {
        let recipe = Recipe::load(file)?;
        let (release, mut updates) = (&recipe.release, Vec::new());
        if !update::tools_are_locked(&self.workspace.root, release)? {
            updates.push(self.update_tools_lock(release)?);
        }
        updates.push(update::of_recipe(&self.packages(release)?, &recipe)?);
        Ok(updates)
    }

    /// Locks the tools of a release, and dates its images.
    pub fn update_tools_lock(&self, release: &str) -> Result<LockUpdate> {
        update::of_tools(&self.packages(release)?, release, self.tools_lock(release))
    }

    /// Builds the recipe in `file`, or reuses what is up to date.
    pub fn build(&self, file: &Path) -> Result<Image> {
        let started = Instant::now();
        let recipe = Recipe::load(file)?;
        let part = self.cache.part();
        let built = self.build_on(&part, &recipe);
        let stages = part.reports();
        self.cache.take_over(part);
        Ok(Image { stages, seconds: started.elapsed().as_secs_f64(), ..built? })
    }

    fn build_on(&self, cache: &Cache, recipe: &Recipe) -> Result<Image> {
        let packages = self.packages(&recipe.release)?;
        let (tools, root) = both_parts(
            cache,
            |cache| tools::stage(&packages.on(cache), &recipe.release),
            |cache| root::stage(&packages.on(cache), recipe),
        )?;
        let context = self.in_tools(cache, packages.on(cache), tools);
        let image = match recipe.output {
            Output::Initramfs => self.initramfs(&context, recipe, &root)?,
            Output::Disk => self.disk(&context, recipe, &root)?,
        };
        Ok(Image { packages: root.path.join("packages.json"), ..image })
    }

    /// The firmware of a release.
    pub fn firmware(&self, release: &str) -> Result<Firmware> {
        let tools = tools::stage(&self.packages(release)?, release)?;
        let stage = firmware::stage(&self.cache, &tools, release)?;
        Ok(Firmware { code: stage.path.join(firmware::CODE), variables: stage.path.join(firmware::VARS) })
    }

    /// A QEMU of a release that emulates virtualisation well enough for an image to boot UEFI machines
    /// itself: for hosts without KVM, on which that image is booted.
    pub fn emulator(&self, release: &str) -> Result<PathBuf> {
        Ok(emulator::stage(&self.packages(release)?, release)?.path.join(emulator::PROGRAM))
    }

    /// Bytes of the boot disk compressed with zstd: what a person would download.
    pub fn compressed_bytes(&self, image: &Image) -> Result<u64> {
        let Image { name, disk: Some(disk), hash, release, .. } = image else {
            return Ok(image.initramfs.metadata().at("read", &image.initramfs)?.len());
        };
        let context = self.context(release)?;
        let stage = compressed::stage(&context, &format!("compressed size {name}"), "disk", disk, hash)?;
        compressed::bytes(&stage)
    }

    /// Programs of a release that no image needs, installed in a root of their own, with what the mirror has now.
    pub fn toolbox(&self, name: &str, release: &str, packages: &[&str]) -> Result<Toolbox> {
        Toolbox::install(&self.packages(release)?, name, release, packages)
    }

    /// Writes below `folder`/etc/apt how this host reaches packages of Debian: for other builders.
    ///
    /// Without sources where the host's own apt names no Debian archive.
    pub fn write_apt_configuration(&self, release: &str, components: &[String], folder: &Path) -> Result<()> {
        let log = Log(self.cache.persistent("logs")?.join("packages.log"));
        apt::write_configuration(&self.mirrors, release, components, folder, &log)
    }

    /// What fills an image.
    pub fn sizes(&self, image: &Image) -> Result<Sizes> {
        let mut sizes = Sizes::of(&image.name, &image.makeup, &image.kernel, &image.initramfs)?;
        if let Some(Stage { path, hash }) = &image.makeup.filesystem {
            let (context, name) = (self.context(&image.release)?, format!("compressed root {}", image.name));
            let root = compressed::stage(&context, &name, "root", &path.join("root.img"), hash)?;
            sizes.compressed_root = Some(compressed::bytes(&root)?);
            sizes.compressed_disk = Some(self.compressed_bytes(image)?);
        }
        Ok(sizes)
    }

    /// What was built and reused so far.
    pub fn reports(&self) -> Vec<StageReport> {
        self.cache.reports()
    }

    /// Where two builds of the same recipe went apart first, opened with the tools of `release`.
    pub fn first_divergence(&self, release: &str, builds: [&[StageReport]; 2]) -> Result<Option<Divergence>> {
        let context = self.context(release)?;
        let scratch = self.cache.persistent("tmp")?;
        let log = Log(self.cache.persistent("logs")?.join("divergence.log"));
        let run = |folder: &Path, script: &str| {
            let root = context.build_root().with_writable("inspect", folder);
            Ok(root.run(&log, "look inside", &format!("cd /run/build/inspect\n{script}"))?)
        };
        let inspector = Inspector { run: &run, scratch: &scratch };
        inspector.first_divergence(builds)
    }

    fn context(&self, release: &str) -> Result<Context<'_>> {
        let packages = self.packages(release)?;
        let tools = tools::stage(&packages, release)?;
        Ok(self.in_tools(&self.cache, packages, tools))
    }

    fn in_tools<'a>(&'a self, cache: &'a Cache, packages: Packages<'a>, tools: Stage) -> Context<'a> {
        Context { cache, workspace: &self.workspace, packages, tools, in_steps: self.in_steps }
    }

    fn packages(&self, release: &str) -> Result<Packages<'_>> {
        let own = Lock::load([&self.tools_lock(release)])?;
        let Self { cache, mirrors, strict, unlocked, .. } = self;
        Ok(Packages { cache, mirrors, strict: *strict, own, unlocked })
    }

    fn tools_lock(&self, release: &str) -> PathBuf {
        update::tools_lock(&self.workspace.root, release)
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
        let root = root::stage(&context.packages, &recipe)?;
        let filled = self.slot(&context, &recipe, &root)?;
        payload::stage(&context, &recipe, &filled.slot)
    }

    /// The block hash indexes of a bundle, in the order of a payload's.
    pub fn indexes_of(&self, release: &str, bundle: &Path) -> Result<Vec<BlockHashIndex>> {
        payload::indexes_of(&self.context(release)?, bundle)
    }

    fn disk(&self, context: &Context, recipe: &Recipe, root: &Stage) -> Result<Image> {
        let Filled { base, slot, makeup, sbom } = self.slot(context, recipe, root)?;
        let sbom = sbom.path.join(sbom::file_name(recipe));
        let disk = disk::stage(context, recipe, root, &slot, &sbom)?;
        Ok(Image { makeup, ..image(recipe, &disk, &base, true) })
    }

    /// Makes the images that fill a slot.
    fn slot(&self, context: &Context, recipe: &Recipe, root: &Stage) -> Result<Filled> {
        // Processors wait while modules are configured and packages installed, and compile meanwhile.
        let ((included, (modules, base)), (services, debs)) = both_parts(
            context.cache,
            |cache| {
                let of_packages = |cache: &Cache| {
                    let context = context.on(cache);
                    let modules = modules::stage(&context, recipe, root)?;
                    let base = base::stage(&context, recipe, root, modules.as_ref())?;
                    Ok((modules, base))
                };
                both_parts(cache, |cache| self.included(&context.on(cache), recipe), of_packages)
            },
            |cache| {
                let context = context.on(cache);
                Ok((self.services(&context, recipe)?, self.debs(&context, recipe)?))
            },
        )?;
        let Included { images: included, recipes: others, mut origins } = included;
        let (mut services, mut services_key, of_services) = services;
        origins.extend(of_services);
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
        let sbom = self.sbom(context, recipe, root, modules.as_ref(), &others)?;
        let additions = Additions { services, services_key, debs, included, sbom: sbom.clone() };
        let filesystem = filesystem::stage(context, recipe, &base, additions)?;
        let slot = slot::stage(context, recipe, &base, &filesystem)?;
        let makeup = Makeup { filesystem: Some(filesystem), origins, kernel_apart: slot.boot.is_some() };
        Ok(Filled { base, slot, sbom, makeup })
    }

    /// Builds the recipes whose kernel and initramfs the image has.
    fn included(&self, context: &Context, recipe: &Recipe) -> Result<Included> {
        let mut included = Included::default();
        for include in &recipe.include {
            let other = Recipe::load(&include.recipe)?;
            let root = root::stage(&context.packages, &other)?;
            let image = self.initramfs(context, &other, &root)?;
            let path = image.kernel.parent().unwrap_or(&image.kernel).to_owned();
            for name in ["vmlinuz", "initrd.img"] {
                let path = format!("{}/{name}", include.to.trim_start_matches('/'));
                included.origins.insert(path, Origin::Recipe(image.name.clone()));
            }
            included.images.push((include.to.clone(), Stage { path, hash: image.hash }));
            included.recipes.push((other, root));
        }
        Ok(included)
    }

    fn sbom(
        &self,
        context: &Context,
        recipe: &Recipe,
        root: &Stage,
        modules: Option<&Stage>,
        included: &[(Recipe, Stage)],
    ) -> Result<Stage> {
        let mut crates = self.members(recipe, &recipe.services)?;
        let dynamic = crates.len();
        crates.extend(self.members(recipe, &recipe.debs)?);
        for (other, _) in included {
            let program =
                other.program.as_ref().map(|program| self.workspace.member(&other.name, &program.service));
            crates.extend(program.transpose()?);
        }
        let linked_statically = crates.len() > dynamic;
        let parts = sbom::Parts { root, modules, included, crates: &crates, linked_statically };
        sbom::stage(context, recipe, &parts)
    }

    /// Compiles the services and collects what their folders hold, and which service each file is of.
    fn services(&self, context: &Context, recipe: &Recipe) -> Result<(Contribution, Key, Origins)> {
        let crates = self.members(recipe, &recipe.services)?;
        let programs = programs::stage(context, &recipe.name, &crates, Linking::Dynamic)?;
        let (mut all, mut origins) = (Contribution::default(), Origins::new());
        let mut key = Key::default().value("vendor", &recipe.vendor);
        for krate in crates {
            let mut contribution = Contribution::default();
            contribution.add_files(krate.folder())?;
            if let Some(programs) = &programs {
                contribution.add_programs(krate, &recipe.vendor, &programs.path);
            }
            let destinations = contribution.overlay.destinations().map(str::to_owned);
            origins.extend(destinations.map(|path| (path, Origin::Service(krate.name.clone()))));
            all.extend(contribution);
            // Sources count through the programs; units and policies lie in the same folder.
            key = key.path(&format!("files of {}", krate.name), krate.folder())?;
        }
        let key = key.value("programs", &programs.map(|p| p.hash));
        Ok((all, key, origins))
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
        sbom: disk.then(|| stage.path.join(sbom::file_name(recipe))),
        packages: PathBuf::new(),
        stages: Vec::new(),
        seconds: 0.0,
        hash: stage.hash.clone(),
        release: recipe.release.clone(),
        makeup: Makeup { kernel_apart: true, ..Makeup::default() },
    }
}

/// What an image has of other recipes.
#[derive(Default)]
struct Included {
    /// Each with the folder in the image that it goes to.
    images: Vec<(String, Stage)>,
    /// Each with its root.
    recipes: Vec<(Recipe, Stage)>,
    origins: Origins,
}

/// What comes of a root on its way to a slot.
struct Filled {
    /// Has the kernel.
    base: Stage,
    slot: SlotImages,
    /// The bill of materials.
    sbom: Stage,
    makeup: Makeup,
}
