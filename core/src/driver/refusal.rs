//! What a refusing server, Pulsar or a gateway, reports, and the error that follows from it.

use hyper::HeaderMap;
use hyper::header::{HeaderName, LOCATION, SERVER, WWW_AUTHENTICATE};

use super::words::{own_words, shortened};
use crate::error::{Error, ErrorKind};
use crate::net::http1::Response;

/// Returns the error for an upgrade whose response is not 101.
pub(crate) fn refused(response: &Response, explanation: &str) -> Error {
    let reason = reason(response);
    let status = response.status;
    let unfit = reason.contains("IncompatibleSchema");
    let unnamed = matches!(status, 404 | 500) && reason.contains("\"errorMsg\":\"\"");
    let kind = match status {
        200..400 => ErrorKind::Protocol,
        400 => ErrorKind::InvalidArgument,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Authorization,
        404 => ErrorKind::NotFound,
        _ if unfit => ErrorKind::Broker,
        _ if unnamed => ErrorKind::NotFound,
        409 => ErrorKind::Busy,
        // Readers answer 500 to everything, and a terminated topic is a 503: only the text distinguishes them.
        _ if reason.contains("TopicTerminated") => ErrorKind::TopicTerminated,
        _ if reason.contains("not found") || reason.contains("NotFound") => ErrorKind::NotFound,
        _ => ErrorKind::Broker,
    };
    // The broker's own sentence is inside JSON-like text in the page.
    let sentence = reason
        .split_once("\"errorMsg\":\"")
        .and_then(|(_, rest)| rest.split_once("\",").or_else(|| rest.split_once('"')))
        .map_or(reason.as_str(), |(sentence, _)| sentence);
    let sentence = shortened(sentence);
    let server = server(&response.headers, "the server");
    let text = match status {
        200..300 => format!(
            "{server} answered the WebSocket upgrade with a page ({status}): does the URL lead to Pulsar's WebSocket \
             service? It says: {sentence}"
        ),
        300..400 => format!("{server} redirects the WebSocket upgrade ({status}) {}: {sentence}", target(response)),
        _ if unfit => format!(
            "{server} refused the connection ({status}), because the topic has a schema, and clients of the WebSocket API \
             have none: {sentence}"
        ),
        _ if unnamed => format!(
            "{server} refused the connection ({status}) without a reason, as a broker does when the topic does not exist \
             and topics are not created on their own (allowAutoTopicCreation)"
        ),
        _ if reason.contains("cryptoKeyReaderFactoryClassName") => format!(
            "{server} refused the connection ({status}): {sentence} (encryption_key needs a WebSocket proxy of Pulsar 4.0; \
             encryption_keys needs a key reader in the proxy)"
        ),
        _ => format!("{server} refused the connection ({status}): {sentence}{explanation}"),
    };
    let error = Error::new(kind, text).with_http_status(status).with_broker_text(reason);
    if unfit { error.not_retriable() } else { error }
}

/// Returns the reason that a response gives: the text of its body, or else of its headers.
pub(crate) fn reason(response: &Response) -> String {
    let words = own_words(&response.body);
    match words.is_empty() {
        true => header(&response.headers, WWW_AUTHENTICATE).unwrap_or_default().to_owned(),
        false => words,
    }
}

/// Returns the server's name for itself. Returns `pulsar` for Jetty, which is part of Pulsar, or without a name.
pub(crate) fn server(headers: &HeaderMap, pulsar: &str) -> String {
    match header(headers, SERVER).filter(|name| !name.starts_with("Jetty")) {
        Some(name) => format!("the server ({})", shortened(name)),
        None => pulsar.to_owned(),
    }
}

fn target(response: &Response) -> String {
    match header(&response.headers, LOCATION) {
        // The query may contain secrets.
        Some(location) => {
            let shown = location.split(['?', '#']).next().unwrap_or_default();
            format!("to {}; a page to log in, or another address to give to this client", shortened(shown))
        }
        None => "nowhere".to_owned(),
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, page: &str, explanation: &str) -> Error {
        super::refused(&response(status, page, &[]), explanation)
    }

    fn response(status: u16, body: &str, headers: &[(HeaderName, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Response { status, headers, body: body.to_owned().into() }
    }

    fn page(status: u16, message: &str) -> String {
        format!(
            "<html><head><title>Error {status} {message}</title></head><body>\
             <tr><th>MESSAGE:</th><td>{message}</td></tr></body></html>"
        )
    }

    #[test]
    fn refusals_have_the_kind_of_their_status_and_the_brokers_sentence() {
        let text = "Failed to create producer/consumer: {&quot;errorMsg&quot;:&quot;Exclusive consumer is already \
                    connected&quot;,&quot;reqId&quot;:1, &quot;remote&quot;:&quot;x&quot;}";
        let error = refused(409, &page(409, text), "");
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Busy, Some(409)));
        assert_eq!(
            error.to_string(),
            "the server refused the connection (409): Exclusive consumer is already connected"
        );
        assert!(error.broker_text().unwrap().contains("\"reqId\":1"));
    }

    #[test]
    fn a_schema_that_does_not_fit_is_no_place_that_is_taken() {
        let text = "Failed to create producer/consumer: {&quot;errorMsg&quot;:&quot;org.apache.pulsar.broker.service.schema.\
                    exceptions.IncompatibleSchemaException: Producers cannot connect without a schema to topics with a \
                    schema&quot;,&quot;reqId&quot;:1}";
        for status in [409, 500] {
            let error = refused(status, &page(status, text), "");
            assert_eq!((error.kind(), error.is_retriable()), (ErrorKind::Broker, false), "{error}");
            assert!(error.to_string().contains("clients of the WebSocket API have none"), "{error}");
        }
    }

    #[test]
    fn a_topic_that_is_not_created_on_its_own_is_said_to_be_missing() {
        for (status, what) in [(404, "producer/consumer"), (500, "reader")] {
            let text = format!("Failed to create {what}: {{&quot;errorMsg&quot;:&quot;&quot;,&quot;reqId&quot;:1}}");
            let error = refused(status, &page(status, &text), "");
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains("does not exist"), "{error}");
        }
    }

    #[test]
    fn a_readers_500_and_a_producers_503_are_told_apart_by_their_text() {
        let missing = "Failed to create reader: {&quot;errorMsg&quot;:&quot;Namespace not found&quot;}";
        assert_eq!(refused(500, &page(500, missing), "").kind(), ErrorKind::NotFound);
        let terminated = "BrokerServiceException$TopicTerminatedException: Topic was already terminated";
        assert_eq!(refused(503, &page(503, terminated), "").kind(), ErrorKind::TopicTerminated);
        assert_eq!(refused(503, "", "").kind(), ErrorKind::Broker);
    }

    #[test]
    fn the_server_that_refuses_is_named_with_its_words() {
        let says = |status, body, headers: &[_]| super::refused(&response(status, body, headers), "").to_string();
        let page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
        assert_eq!(
            says(502, page, &[(SERVER, "nginx/1.22.1")]),
            "the server (nginx/1.22.1) refused the connection (502): 502 Bad Gateway"
        );
        assert_eq!(
            says(503, "", &[(SERVER, "Jetty(9.4)")]),
            "the server refused the connection (503): no reason given"
        );
        let challenge = (WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
        assert!(says(401, "", &[challenge]).ends_with("(401): Bearer error=\"invalid_token\""));
    }

    #[test]
    fn a_redirect_shows_where_to_without_its_query_and_a_page_asks_for_the_path() {
        let redirect = super::refused(&response(302, "", &[(LOCATION, "https://login/in?state=secret")]), "");
        assert_eq!((redirect.kind(), redirect.http_status()), (ErrorKind::Protocol, Some(302)));
        assert!(redirect.to_string().contains("(302) to https://login/in;"), "{redirect}");
        assert!(!redirect.to_string().contains("secret"), "{redirect}");
        let page = refused(200, "<title>Welcome</title>", "").to_string();
        assert!(page.contains("does the URL lead to Pulsar's WebSocket service? It says: Welcome"), "{page}");
    }
}
