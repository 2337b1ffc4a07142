//! The seller's HTTP service. It is open to anybody, so everything is bounded: what a request may hold, how long it
//! may take to arrive, how often a peer may ask, and how much is done at the same time. What is too much is told when
//! to come again.

use super::{
	goods::Answer,
	market::Market,
	protocol::{
		AnchorChunk, BINARY, Countersigned, DELIVERY_PATH, EPOCH_PATH, HEALTH_PATH, Health, JSON,
		MAX_REQUEST_BYTES, QUOTE_PATH, Quote, QuoteRequest, Refusal, Refused, Taken,
	},
	seller::{Journal, Seller},
};
use crate::{Error, Result, batch::parse_hash};
use codec::Encode;
use governor::{
	DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
	clock::{Clock, DefaultClock},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
	Method, Request, Response, StatusCode,
	body::{Body, Bytes, Incoming},
	header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
	server::conn::http1,
	service::service_fn,
};
use hyper_util::{
	rt::{TokioIo, TokioTimer},
	server::graceful::GracefulShutdown,
};
use m2m_fair_exchange::SaleId;
use serde::{Serialize, de::DeserializeOwned};
use std::{
	collections::BTreeMap,
	convert::Infallible,
	net::{IpAddr, Ipv6Addr},
	num::NonZeroU32,
	sync::{Arc, Mutex, PoisonError},
	time::{Duration, Instant},
};
use tokio::{
	net::{TcpListener, TcpStream},
	sync::{OwnedSemaphorePermit, Semaphore},
	time::timeout,
};

/// Bytes of a request's head, and of what is read at once.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// After so many requests, peers that did not ask lately are forgotten.
const REQUESTS_PER_SWEEP: usize = 4096;
/// How long requests under way may take after the service was told to stop.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be taken, as when there are no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the service allows.
#[derive(Clone, Debug)]
pub struct Limits {
	/// Connections at the same time; others wait to be taken.
	pub connections: usize,
	/// Connections of one peer.
	pub connections_per_peer: usize,
	/// Longest life of a connection.
	pub connection: Duration,
	/// How long the head of a request may take, also on a connection that is kept open.
	pub head: Duration,
	/// How long its body may take.
	pub body: Duration,
	/// Requests that are worked on at the same time.
	pub at_once: usize,
	/// How long a request waits for its turn.
	pub patience: Duration,
	/// Offers and epochs that a peer may ask for at once, and how many come back each second.
	pub quotes_per_peer: (NonZeroU32, NonZeroU32),
	/// Likewise for all peers together.
	pub quotes: (NonZeroU32, NonZeroU32),
	/// Likewise for everything that a peer asks for.
	pub requests_per_peer: (NonZeroU32, NonZeroU32),
}

const fn number(number: u32) -> NonZeroU32 {
	NonZeroU32::MIN.saturating_add(number.saturating_sub(1))
}

impl Default for Limits {
	fn default() -> Self {
		Self {
			connections: 256,
			connections_per_peer: 64,
			connection: Duration::from_secs(300),
			head: Duration::from_secs(10),
			body: Duration::from_secs(10),
			at_once: 2,
			patience: Duration::from_secs(2),
			quotes_per_peer: (number(30), number(1)),
			quotes: (number(120), number(20)),
			requests_per_peer: (number(400), number(100)),
		}
	}
}

/// What the service serves.
pub trait Offers: Clone + Send + Sync + 'static {
	/// What the seller says of itself.
	fn health(&self) -> Health;
	/// An offer.
	fn quote(&self, request: QuoteRequest) -> impl Future<Output = Answer<Quote>> + Send;
	/// Takes a countersignature to an offer.
	fn epoch(&self, request: Countersigned) -> impl Future<Output = Answer<Taken>> + Send;
	/// A chunk of anchors.
	fn anchors(&self, sale: SaleId, chunk: u32) -> impl Future<Output = Answer<AnchorChunk>> + Send;
	/// A chunk of leaves, encoded.
	fn leaves(&self, sale: SaleId, chunk: u32) -> impl Future<Output = Answer<Vec<u8>>> + Send;
}

impl<M: Market> Offers for Arc<Seller<M>> {
	fn health(&self) -> Health {
		Seller::health(self)
	}

	fn quote(&self, request: QuoteRequest) -> impl Future<Output = Answer<Quote>> + Send {
		Seller::quote(self, request)
	}

	fn epoch(&self, request: Countersigned) -> impl Future<Output = Answer<Taken>> + Send {
		Seller::epoch(self, request)
	}

	fn anchors(&self, sale: SaleId, chunk: u32) -> impl Future<Output = Answer<AnchorChunk>> + Send {
		Seller::anchors(self, sale, chunk)
	}

	fn leaves(&self, sale: SaleId, chunk: u32) -> impl Future<Output = Answer<Vec<u8>>> + Send {
		Seller::leaves(self, sale, chunk)
	}
}

/// Who counts as one peer: an address, or a network of IPv6, of which one customer has all addresses.
fn peer_of(address: IpAddr) -> IpAddr {
	match address.to_canonical() {
		IpAddr::V6(address) => {
			let network = u128::from(address) & (u128::from(u64::MAX) << 64);
			IpAddr::V6(Ipv6Addr::from(network))
		}
		address => address,
	}
}

fn quota((burst, per_second): (NonZeroU32, NonZeroU32)) -> Quota {
	Quota::per_second(per_second).allow_burst(burst)
}

struct Service<O> {
	offers: O,
	limits: Limits,
	journal: Journal,
	quotes_of_peers: DefaultKeyedRateLimiter<IpAddr>,
	requests_of_peers: DefaultKeyedRateLimiter<IpAddr>,
	quotes: DefaultDirectRateLimiter,
	turns: Arc<Semaphore>,
	/// Open connections of each peer.
	peers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// An open connection, until this is dropped.
struct Visit<O> {
	service: Arc<Service<O>>,
	peer: IpAddr,
	/// True if the peer has too many already: its requests are refused.
	excess: bool,
}

impl<O> Drop for Visit<O> {
	fn drop(&mut self) {
		let mut peers = self.service.peers.lock().unwrap_or_else(PoisonError::into_inner);
		if let Some(count) = peers.get_mut(&self.peer) {
			*count = count.saturating_sub(1);
			if *count == 0 {
				peers.remove(&self.peer);
			}
		}
	}
}

/// Serves until `stop` is done, then lets requests under way finish.
///
/// # Errors
/// None once it runs: a connection that fails concerns nobody else.
pub async fn serve<O: Offers>(
	listener: TcpListener,
	offers: O,
	limits: Limits,
	journal: Journal,
	stop: impl Future<Output = ()>,
) -> Result<()> {
	let service = Arc::new(Service {
		offers,
		journal,
		quotes_of_peers: RateLimiter::keyed(quota(limits.quotes_per_peer)),
		requests_of_peers: RateLimiter::keyed(quota(limits.requests_per_peer)),
		quotes: RateLimiter::direct(quota(limits.quotes)),
		turns: Arc::new(Semaphore::new(limits.at_once)),
		peers: Mutex::default(),
		limits,
	});
	let room = Arc::new(Semaphore::new(service.limits.connections));
	let graceful = GracefulShutdown::new();
	let mut stop = std::pin::pin!(stop);
	loop {
		let taken = async {
			let permit = Arc::clone(&room)
				.acquire_owned()
				.await
				.map_err(|_| Error::Store("the service is closed".into()))?;
			Ok::<_, Error>((permit, listener.accept().await))
		};
		let (permit, accepted) = tokio::select! {
			() = &mut stop => break,
			taken = taken => taken?,
		};
		let (stream, address) = match accepted {
			Ok(accepted) => accepted,
			Err(cause) => {
				(service.journal)(&format!("warning: a connection could not be taken: {cause}"));
				tokio::time::sleep(ACCEPT_PAUSE).await;
				continue;
			}
		};
		let visit = service.visit(peer_of(address.ip()));
		let watcher = graceful.watcher();
		tokio::spawn(async move {
			let _permit = permit;
			let limits = &visit.service.limits;
			let (head, life) = (limits.head, limits.connection);
			let connection = connection(stream, Arc::new(visit), head);
			// A fault of the connection or of its peer ends it, and that is all.
			let _ = timeout(life, watcher.watch(connection)).await;
		});
	}
	drop(listener);
	if timeout(FAREWELL, graceful.shutdown()).await.is_err() {
		(service.journal)("warning: some requests were cut off");
	}
	Ok(())
}

type Answered = std::result::Result<Response<Full<Bytes>>, Infallible>;

fn connection<O: Offers>(
	stream: TcpStream,
	visit: Arc<Visit<O>>,
	head: Duration,
) -> impl hyper_util::server::graceful::GracefulConnection {
	http1::Builder::new()
		.timer(TokioTimer::new())
		.header_read_timeout(head)
		.max_buf_size(MAX_HEAD_BYTES)
		.max_headers(MAX_HEADERS)
		.serve_connection(
			TokioIo::new(stream),
			service_fn(move |request| {
				let visit = Arc::clone(&visit);
				async move { Answered::Ok(visit.answer(request).await) }
			}),
		)
}

impl<O: Offers> Service<O> {
	fn visit(self: &Arc<Self>, peer: IpAddr) -> Visit<O> {
		let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
		let count = peers.entry(peer).or_default();
		*count = count.saturating_add(1);
		Visit {
			service: Arc::clone(self),
			peer,
			excess: *count > self.limits.connections_per_peer,
		}
	}

	/// Fails if a peer, or all together, ask too often. `is_order`: for an offer, or for an epoch.
	fn check_rate(&self, peer: IpAddr, is_order: bool) -> Answer<()> {
		let too_many = |wait: Duration| {
			let seconds = wait.as_secs().saturating_add(1);
			Err(Refused::for_now(
				Refusal::TooManyRequests,
				format!("that is too often: ask again in {seconds} s"),
				seconds,
			))
		};
		let now = || DefaultClock::default().now();
		let limiters = [
			Some(&self.requests_of_peers),
			is_order.then_some(&self.quotes_of_peers),
		];
		for limiter in limiters.into_iter().flatten() {
			if limiter.len() > REQUESTS_PER_SWEEP {
				limiter.retain_recent();
			}
			if let Err(not_until) = limiter.check_key(&peer) {
				return too_many(not_until.wait_time_from(now()));
			}
		}
		if is_order && let Err(not_until) = self.quotes.check() {
			return too_many(not_until.wait_time_from(now()));
		}
		Ok(())
	}

	/// Waits for a turn at what takes long.
	async fn turn(&self) -> Answer<OwnedSemaphorePermit> {
		let turns = Arc::clone(&self.turns);
		match timeout(self.limits.patience, turns.acquire_owned()).await {
			Ok(Ok(turn)) => Ok(turn),
			_ => Err(Refused::for_now(
				Refusal::Busy,
				"the seller has too much to do: ask again in a moment",
				2,
			)),
		}
	}

	/// Waits for a turn and works. A peer that hangs up ends neither: the turn is over when the work is, so that no
	/// more is done at once than there are turns.
	async fn work<T: Send + 'static>(
		&self,
		work: impl Future<Output = Answer<T>> + Send + 'static,
	) -> Answer<T> {
		let turn = self.turn().await?;
		let worked = tokio::spawn(async move {
			let _turn = turn;
			work.await
		});
		match worked.await {
			Ok(answer) => answer,
			Err(error) => Err(Error::Store(format!("an answer was not finished: {error}")).into()),
		}
	}

	async fn body(&self, request: Request<Incoming>) -> Answer<Bytes> {
		let too_large = || {
			Refused::new(
				Refusal::TooLarge,
				format!("a request has at most {MAX_REQUEST_BYTES} bytes"),
			)
		};
		let body = request.into_body();
		if body.size_hint().lower() > MAX_REQUEST_BYTES as u64 {
			return Err(too_large());
		}
		match timeout(self.limits.body, Limited::new(body, MAX_REQUEST_BYTES).collect()).await {
			Ok(Ok(body)) => Ok(body.to_bytes()),
			Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
			Ok(Err(_)) => Err(Refused::new(Refusal::BadRequest, "the request broke off")),
			Err(_) => Err(Refused::new(
				Refusal::TooSlow,
				"the request did not arrive in time",
			)),
		}
	}

	/// Reads what was posted.
	async fn posted<T: DeserializeOwned>(&self, request: Request<Incoming>) -> Answer<T> {
		let body = self.body(request).await?;
		serde_json::from_slice(&body).map_err(|error| {
			Refused::new(
				Refusal::BadRequest,
				format!("the request cannot be read: {error}"),
			)
		})
	}

	async fn route(&self, request: Request<Incoming>, peer: IpAddr) -> Answer<(&'static str, Vec<u8>)> {
		let path = request.uri().path().to_owned();
		let is_order = matches!(path.as_str(), QUOTE_PATH | EPOCH_PATH);
		self.check_rate(peer, is_order)?;
		let method = if is_order { Method::POST } else { Method::GET };
		if request.method() != method {
			return Err(Refused::new(
				Refusal::MethodNotAllowed,
				format!("this path takes {method}"),
			));
		}
		let offers = self.offers.clone();
		match path.as_str() {
			HEALTH_PATH => return json(&offers.health()),
			QUOTE_PATH => {
				let request: QuoteRequest = self.posted(request).await?;
				let quote = self.work(async move { offers.quote(request).await }).await?;
				return json(&quote);
			}
			EPOCH_PATH => {
				let request: Countersigned = self.posted(request).await?;
				let taken = self.work(async move { offers.epoch(request).await }).await?;
				return json(&taken);
			}
			_ => {}
		}
		let (sale, kind, chunk) = delivery(&path).ok_or_else(|| {
			Refused::new(
				Refusal::NotFound,
				"there is nothing at this path: see /v1/health, /v1/quote, /v1/epoch, /v1/delivery/{sale}/leaves/{chunk}",
			)
		})?;
		let content = self.work(async move {
			match kind {
				Part::Anchors => Ok(offers.anchors(sale, chunk).await?.encode()),
				Part::Leaves => offers.leaves(sale, chunk).await,
			}
		});
		Ok((BINARY, content.await?))
	}
}

impl<O: Offers> Visit<O> {
	async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
		let started = Instant::now();
		// What a stranger wrote goes into the log without line breaks and not at any length.
		let asked: String = format!("{} {}", request.method(), request.uri().path())
			.chars()
			.filter(|letter| letter.is_ascii_graphic() || *letter == ' ')
			.take(120)
			.collect();
		let answer = if self.excess {
			Err(Refused::for_now(
				Refusal::TooManyRequests,
				"that are too many connections at once: close some",
				1,
			))
		} else {
			self.service.route(request, self.peer).await
		};
		let (status, cause) = match &answer {
			Ok(_) => (200, None),
			Err(refused) => (refused.error.status(), refused.cause.clone()),
		};
		(self.service.journal)(&format!(
			"{} {asked} {status} {} ms{}",
			self.peer,
			started.elapsed().as_millis(),
			cause.map_or_else(String::new, |cause| format!(": {cause}"))
		));
		respond(answer, self.excess)
	}
}

enum Part {
	Anchors,
	Leaves,
}

/// The sale, the part and the chunk that a path names.
fn delivery(path: &str) -> Option<(SaleId, Part, u32)> {
	let mut parts = path.strip_prefix(DELIVERY_PATH)?.split('/');
	let (sale, part, chunk) = (parts.next()?, parts.next()?, parts.next()?);
	if parts.next().is_some() {
		return None;
	}
	let part = match part {
		"anchors" => Part::Anchors,
		"leaves" => Part::Leaves,
		_ => return None,
	};
	Some((parse_hash(sale)?, part, chunk.parse().ok()?))
}

fn json(value: &impl Serialize) -> Answer<(&'static str, Vec<u8>)> {
	let text = serde_json::to_vec(value).map_err(|error| Error::Store(error.to_string()))?;
	Ok((JSON, text))
}

fn respond(answer: Answer<(&'static str, Vec<u8>)>, close: bool) -> Response<Full<Bytes>> {
	let (status, kind, content, refused) = match answer {
		Ok((kind, content)) => (StatusCode::OK, kind, content, None),
		Err(refused) => {
			let status =
				StatusCode::from_u16(refused.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
			let content = serde_json::to_vec(&refused).unwrap_or_default();
			(status, JSON, content, Some(refused))
		}
	};
	let mut response = Response::new(Full::new(Bytes::from(content)));
	*response.status_mut() = status;
	let headers = response.headers_mut();
	headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
	headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
	if let Some(refused) = refused {
		if let Some(seconds) = refused.retry_after_s {
			headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
		}
		if refused.error == Refusal::MethodNotAllowed {
			headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
		}
	}
	if close {
		headers.insert(CONNECTION, HeaderValue::from_static("close"));
	}
	response
}
