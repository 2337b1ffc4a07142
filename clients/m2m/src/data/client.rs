//! Talking to a seller's service.

use crate::{
	Error, Result,
	data::protocol::{
		AnchorChunk, Countersigned, EPOCH_PATH, JSON, MAX_CHUNK_BYTES, MAX_JSON_BYTES, QUOTE_PATH, Quote,
		QuoteRequest, Refusal, Refused, Taken, address, anchors_path, decode_leaves, leaves_path,
	},
};
use codec::DecodeAll;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
	Method, Request, Response, StatusCode, Uri,
	body::{Bytes, Incoming},
	header::CONTENT_TYPE,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
	client::legacy::{Client, connect::HttpConnector},
	rt::TokioExecutor,
};
use m2m_fair_exchange::{SaleId, SealedLeaf};
use serde::Serialize;
use std::{error::Error as _, time::Duration};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: sealing a million readings is part of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a request is sent at most. All of them can be repeated.
const ATTEMPTS: u32 = 5;
/// Longest wait before the next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest message of a seller that is shown.
const MAX_MESSAGE: usize = 300;

enum Transport {
	Plain(Client<HttpConnector, Full<Bytes>>),
	Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A seller's service.
pub struct SellerService {
	transport: Transport,
	endpoint: String,
}

/// What became of one attempt.
enum Attempt {
	Answered(Bytes),
	/// It may go better after this time.
	Later(Error, Duration),
	Failed(Error),
}

impl SellerService {
	/// The service at the endpoint of a listing.
	///
	/// # Errors
	/// [`Error::Unknown`] if that is not an address of HTTP.
	pub fn at(endpoint: &str) -> Result<Self> {
		let refuse = |why: &str| Error::Unknown(format!("the seller's endpoint `{endpoint}` {why}"));
		let uri: Uri = endpoint.parse().map_err(|_| refuse("is not an address"))?;
		let mut connector = HttpConnector::new();
		connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
		let transport = match uri.scheme_str() {
			Some("http") if uri.host().is_some() => {
				Transport::Plain(Client::builder(TokioExecutor::new()).build(connector))
			}
			Some("https") if uri.host().is_some() => {
				connector.enforce_http(false);
				let tls = HttpsConnectorBuilder::new()
					.with_native_roots()
					.map_err(|cause| Error::Io {
						file: "the certificates of this machine".into(),
						cause,
					})?
					.https_only()
					.enable_http1()
					.wrap_connector(connector);
				Transport::Tls(Client::builder(TokioExecutor::new()).build(tls))
			}
			_ => return Err(refuse("is no http or https address")),
		};
		Ok(Self {
			transport,
			endpoint: endpoint.into(),
		})
	}

	/// Asks for an offer.
	pub async fn quote(&self, request: &QuoteRequest) -> Result<Quote> {
		let answer = self.post(QUOTE_PATH, request).await?;
		serde_json::from_slice(&answer).map_err(|_| self.unreadable("the offer"))
	}

	/// Sends a countersignature to an offer.
	pub async fn epoch(&self, request: &Countersigned) -> Result<Taken> {
		let answer = self.post(EPOCH_PATH, request).await?;
		// The seller may have taken it all the same.
		serde_json::from_slice(&answer)
			.map_err(|_| self.unreachable("its answer to a countersignature cannot be read"))
	}

	/// Some of the anchors that carry a delivery.
	pub async fn anchors(&self, sale: &SaleId, chunk: u32) -> Result<AnchorChunk> {
		let answer = self
			.request(Method::GET, &anchors_path(sale, chunk), None, MAX_CHUNK_BYTES)
			.await?;
		AnchorChunk::decode_all(&mut &*answer).map_err(|_| self.unreadable("a chunk of anchors"))
	}

	/// Some of the sealed leaves of a delivery.
	pub async fn leaves(&self, sale: &SaleId, chunk: u32) -> Result<Vec<SealedLeaf>> {
		let answer = self
			.request(Method::GET, &leaves_path(sale, chunk), None, MAX_CHUNK_BYTES)
			.await?;
		decode_leaves(&answer).ok_or_else(|| self.unreadable("a chunk of leaves"))
	}

	fn unreadable(&self, what: &str) -> Error {
		Error::OfferRefused {
			fault: "Unreadable".into(),
			why: format!("{what} from {} cannot be read", self.endpoint),
		}
	}

	fn unreachable(&self, cause: impl Into<String>) -> Error {
		Error::SellerUnreachable {
			endpoint: self.endpoint.clone(),
			cause: cause.into(),
		}
	}

	async fn post(&self, path: &str, message: &impl Serialize) -> Result<Bytes> {
		let body = serde_json::to_vec(message).map_err(|error| Error::Store(error.to_string()))?;
		self.request(Method::POST, path, Some(body), MAX_JSON_BYTES).await
	}

	/// Sends a request, again if it makes sense, and returns the body of a good answer.
	async fn request(
		&self,
		method: Method,
		path: &str,
		body: Option<Vec<u8>>,
		longest: usize,
	) -> Result<Bytes> {
		let mut attempt = 1;
		loop {
			let body = Bytes::from(body.clone().unwrap_or_default());
			let tried = self.attempt(method.clone(), path, body, longest);
			let (error, wait) = match tokio::time::timeout(ANSWER_TIMEOUT, tried).await {
				Ok(Attempt::Answered(answer)) => return Ok(answer),
				Ok(Attempt::Failed(error)) => return Err(error),
				Ok(Attempt::Later(error, wait)) => (error, wait),
				Err(_) => {
					let cause = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
					(self.unreachable(cause), Duration::from_secs(1))
				}
			};
			if attempt >= ATTEMPTS || wait > LONGEST_WAIT {
				return Err(error);
			}
			attempt = attempt.saturating_add(1);
			tokio::time::sleep(wait).await;
		}
	}

	async fn attempt(&self, method: Method, path: &str, body: Bytes, longest: usize) -> Attempt {
		let request = Request::builder()
			.method(method)
			.uri(address(&self.endpoint, path))
			.header(CONTENT_TYPE, JSON)
			.body(Full::new(body));
		let request = match request {
			Ok(request) => request,
			Err(error) => return Attempt::Failed(self.unreachable(error.to_string())),
		};
		let sent = match &self.transport {
			Transport::Plain(client) => client.request(request).await,
			Transport::Tls(client) => client.request(request).await,
		};
		let response: Response<Incoming> = match sent {
			Ok(response) => response,
			Err(error) => {
				// The library's own words do not say what the system said.
				let cause = error
					.source()
					.map_or_else(|| error.to_string(), ToString::to_string);
				return Attempt::Later(self.unreachable(cause), Duration::from_secs(1));
			}
		};
		let status = response.status();
		let longest = if status == StatusCode::OK {
			longest
		} else {
			MAX_JSON_BYTES
		};
		let answer = match Limited::new(response.into_body(), longest).collect().await {
			Ok(body) => body.to_bytes(),
			Err(error) => {
				let error = self.unreachable(format!("its answer broke off or is too long: {error}"));
				return Attempt::Later(error, Duration::from_secs(1));
			}
		};
		if status == StatusCode::OK {
			return Attempt::Answered(answer);
		}
		self.refusal(status, &answer)
	}

	fn refusal(&self, status: StatusCode, answer: &[u8]) -> Attempt {
		let Ok(refused) = serde_json::from_slice::<Refused>(answer) else {
			return Attempt::Failed(self.unreachable(format!("it answers with status {status}")));
		};
		let error = Error::SellerRefused {
			refusal: refused.error,
			message: printable(&refused.message),
		};
		match refused.error {
			Refusal::TooManyRequests | Refusal::Busy | Refusal::TooSlow => {
				Attempt::Later(error, Duration::from_secs(refused.retry_after_s.unwrap_or(1)))
			}
			_ => Attempt::Failed(error),
		}
	}
}

/// What a stranger wrote, without anything that could move a terminal's cursor.
fn printable(message: &str) -> String {
	message
		.chars()
		.filter(|letter| !letter.is_control())
		.take(MAX_MESSAGE)
		.collect()
}

#[cfg(test)]
mod tests {
	use super::*;
	use tokio::{
		io::{AsyncReadExt, AsyncWriteExt},
		net::TcpListener,
	};

	/// Answers one connection after the other with these bytes, and returns the endpoint.
	async fn answering(answers: Vec<String>) -> String {
		let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
		let endpoint = format!("http://{}/market", listener.local_addr().unwrap());
		tokio::spawn(async move {
			for answer in answers {
				let (mut peer, _) = listener.accept().await.unwrap();
				let mut request = vec![0; 8192];
				let read = peer.read(&mut request).await.unwrap();
				let request = String::from_utf8_lossy(&request[..read]).into_owned();
				assert!(request.contains("/market/v1/delivery/0x"), "{request}");
				peer.write_all(answer.as_bytes()).await.unwrap();
			}
		});
		endpoint
	}

	fn response(status: &str, body: &str) -> String {
		format!(
			"HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
			body.len()
		)
	}

	fn refused(error: &str, more: &str) -> String {
		format!("{{\"error\":\"{error}\",\"message\":\"come\\u001b[2J back\"{more}}}")
	}

	async fn ask(answers: Vec<String>) -> Result<Vec<SealedLeaf>> {
		let endpoint = answering(answers).await;
		let seller = SellerService::at(&endpoint).unwrap();
		seller.leaves(&SaleId::zero(), 0).await
	}

	#[tokio::test]
	async fn a_busy_seller_is_asked_again() {
		let leaf = "x".repeat(64);
		let answers = vec![
			response("503 Busy", &refused("Busy", ",\"retry_after_s\":0")),
			response("429 Slowly", &refused("TooManyRequests", ",\"retry_after_s\":1")),
			response("200 OK", &leaf),
		];
		assert_eq!(ask(answers).await.unwrap().len(), 1);
	}

	#[tokio::test]
	async fn a_refusal_is_named_and_cannot_move_the_cursor() {
		let error = ask(vec![response("404 No", &refused("UnknownDelivery", ""))])
			.await
			.unwrap_err();
		assert_eq!((error.name(), error.exit_code()), ("SellerRefused", 4));
		let message = error.to_string();
		assert!(
			message.contains("UnknownDelivery") && message.contains("come[2J back"),
			"{message}"
		);
		let error = ask(vec![response(
			"429 Slowly",
			&refused("TooManyRequests", ",\"retry_after_s\":3600"),
		)])
		.await
		.unwrap_err();
		assert!(error.to_string().contains("TooManyRequests"), "{error}");
	}

	#[tokio::test]
	async fn what_is_no_answer_is_refused() {
		let error = ask(vec![response("200 OK", "63 bytes are no leaf")])
			.await
			.unwrap_err();
		assert!(error.to_string().contains("cannot be read"), "{error}");
		let error = ask(vec![response("502 Bad", "<html>")]).await.unwrap_err();
		assert_eq!((error.name(), error.exit_code()), ("SellerUnreachable", 3));
		let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MAX_CHUNK_BYTES + 1));
		let error = ask(vec![endless; ATTEMPTS as usize]).await.unwrap_err();
		assert!(error.to_string().contains("too long"), "{error}");
	}

	#[test]
	fn an_endpoint_is_an_address_of_http() {
		for endpoint in [
			"",
			"seller.example",
			"ftp://seller.example",
			"http://",
			"http:// x",
		] {
			let error = SellerService::at(endpoint).err().map(|error| error.to_string());
			assert!(error.is_some(), "{endpoint}");
		}
	}
}
