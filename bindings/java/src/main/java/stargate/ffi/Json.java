package stargate.ffi;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads the JSON that the library writes: maps, lists, texts, numbers, booleans and null. */
public final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads a value. */
    public static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value();
        if (json.next() != 0) throw json.unexpected();
        return value;
    }

    /** Reads an object. */
    @SuppressWarnings("unchecked")
    public static Map<String, Object> object(String text) {
        return (Map<String, Object>) read(text);
    }

    /** Reads an array of values of one type. */
    @SuppressWarnings("unchecked")
    public static <T> List<T> list(String text) {
        return (List<T>) read(text);
    }

    private Object value() {
        return switch (next()) {
            case '{' -> members();
            case '[' -> elements();
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        for (at++; next() != '}'; ) {
            String name = string();
            take(':');
            members.put(name, value());
            if (next() != '}') take(',');
        }
        at++;
        return members;
    }

    private List<Object> elements() {
        List<Object> elements = new ArrayList<>();
        for (at++; next() != ']'; ) {
            elements.add(value());
            if (next() != ']') take(',');
        }
        at++;
        return elements;
    }

    private String string() {
        take('"');
        StringBuilder found = new StringBuilder();
        for (char c = character(); c != '"'; c = character()) found.append(c == '\\' ? escaped(character()) : c);
        return found.toString();
    }

    private char character() {
        if (at == text.length()) throw unexpected();
        return text.charAt(at++);
    }

    private char escaped(char letter) {
        return switch (letter) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> (char) Integer.parseInt(text.substring(at, at += 4), 16);
            default -> letter;
        };
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw unexpected();
        at += word.length();
        return value;
    }

    private Number number() {
        int from = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String found = text.substring(from, at);
        try {
            if (found.matches("-?\\d+")) return Long.valueOf(found);
            return Double.valueOf(found);
        } catch (NumberFormatException none) {
            at = from;
            throw unexpected();
        }
    }

    private void take(char wanted) {
        if (next() != wanted) throw unexpected();
        at++;
    }

    /** Returns the next character that is no blank, 0 at the end. */
    private char next() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private IllegalArgumentException unexpected() {
        return new IllegalArgumentException("not JSON at character " + at + ": " + text);
    }
}
