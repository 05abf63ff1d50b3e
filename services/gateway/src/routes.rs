//! The routes of the agent protocol, as `understudy_wire` documents them.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use understudy_wire::{BlockHash, DiskId, Inventory, JobId, MAX_HASHES, Outcome, Progress, Report, Standing};

use crate::caller::Machine;
use crate::refusal::Refused;
use crate::{Gateway, pairing};

/// The longest a request may wait for something to happen.
const WAIT: u64 = 30;
/// A body must have come within this time.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Records in one request, as agents send them.
const RECORDS: usize = 4096;
const SMALL: usize = 16 * 1024;
const LARGE: usize = 1024 * 1024;

/// All routes.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/agent/v1/pair/start", post(pairing::start))
        .route("/agent/v1/pair/finish", post(pairing::finish))
        .route("/agent/v1/inventory", put(inventory))
        .route("/agent/v1/orders", get(orders))
        .route("/agent/v1/jobs/{job}/progress", post(progress))
        .route("/agent/v1/jobs/{job}/disks/{disk}/blocks", post(blocks))
        .route("/agent/v1/jobs/{job}/disks/{disk}/hashes", get(hashes))
        .route("/agent/v1/jobs/{job}/report", post(report))
        .route("/agent/v1/jobs/{job}/outcome", get(outcome))
        .fallback(async || Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path is not meant for this method")
        })
        .with_state(gateway)
}

async fn inventory(
    State(gateway): State<Gateway>,
    machine: Machine,
    body: Body,
) -> Result<StatusCode, Refused> {
    let text = text::<Inventory>(body, LARGE).await?;
    let id = machine.id.to_string();
    gateway.scheduler.call(|agents| agents.inventory(&id, &machine.key, &text)).await?;
    tracing::info!(machine = %id, "took its inventory");
    Ok(StatusCode::NO_CONTENT)
}

async fn orders(
    State(gateway): State<Gateway>,
    machine: Machine,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refused> {
    let (id, address) = (machine.id.to_string(), machine.address.to_string());
    let ask = async || {
        let order = gateway.scheduler.call(|agents| agents.order(&id, &machine.key, &address)).await?;
        Ok((!order.is_empty()).then_some(order))
    };
    Ok(match gateway.scheduler.wait(machine.id, Wait::time(wait)?, ask).await? {
        Some(order) => ([(header::CONTENT_TYPE, "application/json")], order).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn progress(
    State(gateway): State<Gateway>,
    machine: Machine,
    Path(job): Path<String>,
    body: Body,
) -> Result<axum::Json<Standing>, Refused> {
    let job: JobId = id(&job)?;
    let text = text::<Progress>(body, SMALL).await?;
    let (id, name) = (machine.id.to_string(), job.to_string());
    let wanted = gateway
        .scheduler
        .call(|agents| agents.progress(&id, &machine.key, &name, &text))
        .await
        .map_err(|refused| refused.about(job))?;
    Ok(axum::Json(Standing { wanted }))
}

async fn blocks(
    State(gateway): State<Gateway>,
    machine: Machine,
    Path((job, disk)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Refused> {
    let (job, disk): (JobId, DiskId) = (id(&job)?, id(&disk)?);
    let records = read(body, RECORDS * BlockHash::LEN).await?;
    if !records.len().is_multiple_of(BlockHash::LEN) {
        return Err(Refused::bad(format!(
            "{} bytes are no whole number of block records of {} bytes",
            records.len(),
            BlockHash::LEN
        )));
    }
    let (id, name, disk) = (machine.id.to_string(), job.to_string(), disk.to_string());
    gateway
        .scheduler
        .call(|agents| agents.blocks(&id, &machine.key, &name, &disk, &records))
        .await
        .map_err(|refused| refused.about(job))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Range {
    from: u64,
    count: u64,
}

async fn hashes(
    State(gateway): State<Gateway>,
    machine: Machine,
    Path((job, disk)): Path<(String, String)>,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refused> {
    let (job, disk): (JobId, DiskId) = (id(&job)?, id(&disk)?);
    let Query(Range { from, count }) = range.map_err(|error| Refused::bad(error.body_text()))?;
    if count == 0 || count > MAX_HASHES {
        return Err(Refused::bad(format!("{count} hashes were asked for; 1 to {MAX_HASHES} are possible")));
    }
    let (id, name, disk) = (machine.id.to_string(), job.to_string(), disk.to_string());
    let hashes = gateway
        .scheduler
        .call(|agents| agents.hashes(&id, &machine.key, &name, &disk, from, count))
        .await
        .map_err(|refused| refused.about(job))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], hashes).into_response())
}

async fn report(
    State(gateway): State<Gateway>,
    machine: Machine,
    Path(job): Path<String>,
    body: Body,
) -> Result<StatusCode, Refused> {
    let job: JobId = id(&job)?;
    let text = text::<Report>(body, LARGE).await?;
    let (id, name) = (machine.id.to_string(), job.to_string());
    gateway
        .scheduler
        .call(|agents| agents.report(&id, &machine.key, &name, &text))
        .await
        .map_err(|refused| refused.about(job))?;
    tracing::info!(machine = %id, job = %name, "took its report");
    Ok(StatusCode::NO_CONTENT)
}

async fn outcome(
    State(gateway): State<Gateway>,
    machine: Machine,
    Path(job): Path<String>,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
) -> Result<axum::Json<Outcome>, Refused> {
    let job: JobId = id(&job)?;
    let (id, name) = (machine.id.to_string(), job.to_string());
    let ask = async || {
        let text = gateway
            .scheduler
            .call(|agents| agents.outcome(&id, &machine.key, &name))
            .await
            .map_err(|refused| refused.about(job))?;
        let outcome = serde_json::from_str(&text).map_err(|error| {
            Refused::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the box's scheduler gave no outcome but {text:?}: {error}"),
            )
            .about(job)
        })?;
        Ok((outcome != Outcome::Running).then_some(outcome))
    };
    let outcome = gateway.scheduler.wait(machine.id, Wait::time(wait)?, ask).await?;
    Ok(axum::Json(outcome.unwrap_or(Outcome::Running)))
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    wait: u64,
}

impl Wait {
    fn time(
        wait: Result<Query<Self>, axum::extract::rejection::QueryRejection>,
    ) -> Result<Duration, Refused> {
        let Query(Self { wait }) = wait.map_err(|error| Refused::bad(error.body_text()))?;
        Ok(Duration::from_secs(wait.min(WAIT)))
    }
}

fn id<T: std::str::FromStr<Err = understudy_wire::id::IdError>>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|error| Refused::bad(format!("{error}")))
}

/// Reads a body of at most `limit` bytes in [`BODY_TIME`].
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Refused> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body was not taken; at most {limit} bytes are: {error}"),
        )),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the request's body did not come within {} s", BODY_TIME.as_secs()),
        )),
    }
}

/// Parses a JSON body.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| Refused::bad(format!("the request's body is not understood: {error}")))
}

/// A JSON body, checked, and passed on as it is: a newer agent's keys that we do not know are not lost on the way.
async fn text<T: DeserializeOwned>(body: Body, limit: usize) -> Result<String, Refused> {
    let body = read(body, limit).await?;
    json::<T>(&body)?;
    String::from_utf8(body.into())
        .map_err(|error| Refused::bad(format!("the request's body is no text: {error}")))
}
