//! What a server that refuses the upgrade says, and which error follows from it.

use crate::error::{Error, ErrorKind};

/// The error of an upgrade that was not answered with 101.
pub(crate) fn refused(status: u16, page: &str, explanation: &str) -> Error {
    let reason = page_message(page);
    let kind = match status {
        400 => ErrorKind::InvalidArgument,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Authorization,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Busy,
        // Readers answer 500 to everything, and a terminated topic is a 503: only the text tells.
        _ if reason.contains("TopicTerminated") => ErrorKind::TopicTerminated,
        _ if reason.contains("not found") || reason.contains("NotFound") => ErrorKind::NotFound,
        _ => ErrorKind::Broker,
    };
    // The broker's own sentence is inside a JSON-like text inside the page.
    let sentence = reason
        .split_once("\"errorMsg\":\"")
        .and_then(|(_, rest)| rest.split_once("\",").or_else(|| rest.split_once('"')))
        .map_or(reason.as_str(), |(sentence, _)| sentence);
    let sentence = if sentence.is_empty() { "no reason given" } else { sentence };
    Error::new(kind, format!("the server refused the connection ({status}): {sentence}{explanation}"))
        .with_http_status(status)
        .with_broker_text(reason)
}

/// The message in Jetty's error page.
pub(crate) fn page_message(page: &str) -> String {
    let cell = page.split_once("<th>MESSAGE:</th><td>").and_then(|(_, rest)| rest.split_once("</td>"));
    let title = || page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = cell.or_else(title).map_or("", |(text, _)| text);
    let entities = [("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(text.trim().to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_readers_500_and_a_producers_503_are_told_apart_by_their_text() {
        let missing = "Failed to create reader: {&quot;errorMsg&quot;:&quot;Namespace not found&quot;}";
        assert_eq!(refused(500, &page(500, missing), "").kind(), ErrorKind::NotFound);
        let terminated = "BrokerServiceException$TopicTerminatedException: Topic was already terminated";
        assert_eq!(refused(503, &page(503, terminated), "").kind(), ErrorKind::TopicTerminated);
        assert_eq!(refused(503, "", "").kind(), ErrorKind::Broker);
    }

    #[test]
    fn a_page_of_another_shape_still_gives_its_title() {
        assert_eq!(page_message("<title>Error 401 Unauthorized</title>"), "Error 401 Unauthorized");
        assert_eq!(page_message("gateway down"), "");
    }
}
