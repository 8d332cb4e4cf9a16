package stargate.scenario;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A line of a scenario. Values are bytes, each as a character; the properties of a message have their names after a dot. */
record Step(String verb, String handle, Map<String, String> given) {
    private static final Pattern WORD =
            Pattern.compile("([a-z_]+)(?:\\.([^= ]+))?=(\"(?:[^\"\\\\]|\\\\.)*\"|[^ \"]*)|([^ ]+)");
    private static final Pattern ESCAPE = Pattern.compile("\\\\([\"\\\\]|x[0-9a-f]{2})");
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    static List<Step> parse(String text) {
        return text.lines().filter(line -> !line.isEmpty() && !line.startsWith("#")).map(Step::line).toList();
    }

    private static Step line(String line) {
        List<String> words = new ArrayList<>();
        Map<String, String> given = new LinkedHashMap<>();
        for (MatchResult found : (Iterable<MatchResult>) WORD.matcher(line).results()::iterator) {
            if (found.group(4) != null) words.add(found.group(4));
            else given.put(found.group(1) + (found.group(2) == null ? "" : "." + found.group(2)), value(found.group(3)));
        }
        return new Step(words.getFirst(), words.size() > 1 ? words.get(1) : "", given);
    }

    private static String value(String text) {
        if (!text.startsWith("\"")) return text;
        return ESCAPE.matcher(text.substring(1, text.length() - 1))
                .replaceAll(found -> java.util.regex.Matcher.quoteReplacement(unescaped(found.group(1))));
    }

    private static String unescaped(String escape) {
        return escape.length() > 1 ? Character.toString(Integer.parseInt(escape.substring(1), 16)) : escape;
    }

    boolean has(String name) {
        return given.containsKey(name);
    }

    byte[] bytes(String name) {
        return given.get(name).getBytes(ISO_8859_1);
    }

    String text(String name) {
        return new String(bytes(name), UTF_8);
    }

    int number(String name) {
        return Integer.parseInt(given.get(name));
    }

    int number(String name, int otherwise) {
        return has(name) ? number(name) : otherwise;
    }

    Duration timeout() {
        return has("timeout") ? duration(given.get("timeout")) : PATIENCE;
    }

    static Duration duration(String value) {
        return Duration.ofMillis(Long.parseLong(value.replaceFirst("ms$", "")));
    }
}
