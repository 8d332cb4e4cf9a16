package stargate.ffi;

/** Says which library the package finds: {@code java -jar stargate-0.1.0.jar}. */
public final class Version {
    private Version() {}

    /** Prints versions and place. */
    public static void main(String[] arguments) {
        String location = Library.location();
        System.out.println("stargate " + Abi.VERSION + ", library " + Library.version() + " at " + location);
    }
}
