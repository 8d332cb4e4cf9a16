package stargate;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Optional;
import stargate.ffi.Abi;
import stargate.ffi.Errors;
import stargate.ffi.Memory;

/**
 * A change of state of a connection.
 *
 * @param state the new state
 * @param session which of the handle's connections it is; 0 when it has one
 * @param topic the topic of the producer, consumer or reader
 * @param host the host, as "name:port"; empty if the change concerns none
 * @param error the reason, if there is one
 * @param retryIn the time until the next attempt, if one follows
 * @param proxy the proxy of the connection, such as "http://squid:3128"; empty for a direct one
 */
public record StateChange(
        ConnectionState state,
        int session,
        String topic,
        String host,
        Optional<StargateException> error,
        Optional<Duration> retryIn,
        String proxy) {

    static StateChange read(MemorySegment change) {
        long at = change.address();
        MemorySegment error = MemorySegment.ofAddress(Memory.longAt(at + Abi.stargate_state_change.error));
        long retry = Memory.longAt(at + Abi.stargate_state_change.retry_in_ms);
        return new StateChange(
                ConnectionState.values()[Memory.intAt(at + Abi.stargate_state_change.state)],
                Memory.intAt(at + Abi.stargate_state_change.session),
                Memory.textAt(at + Abi.stargate_state_change.topic),
                Memory.textAt(at + Abi.stargate_state_change.host),
                error.address() == 0
                        ? Optional.empty()
                        : Optional.of(Errors.read(Abi.stargate_error_status(error), error)),
                retry < 0 ? Optional.empty() : Optional.of(Duration.ofMillis(retry)),
                Memory.textAt(at + Abi.stargate_state_change.proxy));
    }
}
