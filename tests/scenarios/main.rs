//! One table of behaviours, run with the same code against the mock broker and against a real one: where the two differ,
//! the mock is wrong.
//!
//! `cargo test -p stargate-core --features mock --test scenarios` runs it on the mock. The real broker is the one at
//! `PULSAR_URL`, with `-- --include-ignored`; `make test` starts one.

mod administering;
mod broker;
mod compressing;
mod cumulative;
mod encrypting;
mod failing;
mod line;
mod producing;
mod reading;
mod receiving;
mod retrying;
mod seeking;
mod supervising;
mod waiting;

/// Makes two tests of each scenario.
macro_rules! scenarios {
    ($($module:ident: $($name:ident)+;)+) => {
        mod on_the_mock {$(
            mod $module {$(
                #[test]
                fn $name() {
                    crate::$module::$name(&crate::broker::Broker::mock());
                }
            )+}
        )+}

        mod on_a_real_broker {$(
            mod $module {$(
                #[test]
                #[ignore = "needs a broker at PULSAR_URL"]
                fn $name() {
                    crate::$module::$name(&crate::broker::Broker::real());
                }
            )+}
        )+}
    };
}

scenarios! {
    producing:
        ten_thousand_messages_of_a_kibibyte_arrive_in_order
        a_receipt_has_the_id_that_the_consumer_sees
        everything_about_a_message_arrives
        a_value_goes_as_json_and_what_does_not_fit_is_named
        a_callback_is_told_result_and_context_once
        a_list_gives_one_result_for_each_message_in_order
        batches_keep_ids_and_order
        every_compression_and_hashing_is_accepted
        delayed_messages_wait_on_a_shared_subscription
        a_full_queue_fails_or_waits_as_wanted
        a_send_in_a_callback_does_not_wait_for_callbacks
        a_send_does_not_block_the_thread_that_polls_callbacks
        messages_sent_together_keep_their_room_until_they_are_called_back
        a_flush_waits_for_what_was_sent_before
        a_terminated_topic_says_so
        ad_hoc_producing_takes_a_url_and_cleans_up
        deduplication_drops_what_is_sent_twice
        a_round_robin_producer_fills_all_partitions
        producers_and_consumers_take_up_the_partitions_that_their_topic_gets;
    compressing:
        what_is_compressed_arrives_and_takes_fewer_bytes;
    receiving:
        a_handler_has_its_own_state_on_each_processor
        what_is_continued_is_acknowledged_later_by_its_id
        a_negative_acknowledgement_brings_the_message_again
        a_handler_that_fails_costs_only_its_message
        one_key_stays_with_one_processor_in_order
        receiving_has_a_timeout_and_takes_many
        an_interrupt_ends_each_receive_that_calls_back
        pull_mode_never_has_more_in_hand_than_its_window
        poison_goes_to_the_dead_letter_topic
        a_count_of_redeliveries_that_has_no_effect_is_warned_of
        shared_consumers_split_the_messages
        a_failover_consumer_takes_over
        an_unsubscribe_deletes_the_subscription
        an_unsubscribe_among_others_is_refused
        a_terminated_topic_ends
        several_topics_come_on_one_connection
        a_pattern_finds_its_topics
        the_initial_position_is_earliest_or_latest
        a_non_durable_subscription_goes_with_its_consumer
        non_persistent_topics_work
        names_of_all_characters_work
        a_close_leaves_nothing_unacknowledged
        a_handler_may_close_its_own_consumer
        a_handler_and_receiving_exclude_each_other
        receiving_with_ordering_by_key_is_refused_at_once
        unacknowledged_messages_stop_a_push_and_are_reported
        several_connections_share_one_subscription
        a_message_that_is_never_acknowledged_does_not_stop_the_others
        what_is_in_hand_while_another_is_refused_again_and_again_keeps_the_window_open
        a_partitioned_topic_is_one_consumer;
    cumulative:
        a_cumulative_acknowledgement_ends_all_up_to_its_message
        a_cumulative_acknowledgement_may_end_within_a_batch
        a_cumulative_acknowledgement_is_of_one_partition
        a_cumulative_acknowledgement_by_an_id_holds_for_what_comes
        a_cumulative_acknowledgement_outlives_its_connection
        a_cumulative_acknowledgement_that_cannot_be_is_refused;
    encrypting:
        who_has_the_key_reads_all_of_a_message_and_nobody_else_its_payload
        every_compression_is_undone_after_decryption
        what_cannot_be_decrypted_waits_for_who_can
        what_cannot_be_decrypted_is_dropped_or_delivered_as_wanted
        a_key_reader_is_asked_by_name_and_metadata_once_for_a_data_key
        a_key_reader_that_fails_is_told_and_may_recover
        a_key_that_cannot_be_used_is_an_error_when_opening
        a_new_data_key_costs_no_message_and_no_order
        a_data_key_that_is_due_is_renewed_while_sends_go_on
        a_handler_is_given_what_is_encrypted_in_order_however_long_the_key_takes
        partitions_and_several_connections_read_what_is_encrypted
        an_encrypted_message_over_the_limit_is_named_and_harms_nothing;
    reading:
        a_reader_begins_at_the_earliest
        a_reader_begins_at_the_latest
        a_reader_of_a_new_topic_skips_nothing_when_its_first_connection_breaks
        a_reader_begins_after_an_id
        a_reader_goes_on_past_its_window
        a_reader_of_the_smallest_window_goes_on_after_an_id_and_after_a_disconnect
        a_reader_with_a_handler_reads_all
        a_partitioned_topic_is_read_whole
        partitions_that_a_topic_gets_are_read_too
        a_reader_opens_before_its_partitioned_topic_exists
        a_terminated_topic_ends_for_a_reader;
    failing:
        a_wrong_host_is_named
        a_missing_namespace_is_named
        an_exclusive_subscription_in_use_is_named
        a_place_that_is_free_in_a_moment_is_waited_for
        a_producer_name_in_use_is_named
        a_message_over_the_limit_is_named_and_harms_nothing
        a_bad_option_is_named
        a_port_that_does_not_speak_http_is_named
        a_closed_handle_says_so
        a_lazy_handle_opens_at_once_and_connects_later
        a_failing_init_of_a_handler_is_told;
    retrying:
        a_message_wanted_later_comes_back_and_goes_to_the_dead_letters_in_the_end
        a_handler_may_want_a_message_later
        a_message_whose_copy_cannot_be_stored_is_not_lost
        a_close_waits_for_the_copies_on_their_way
        without_a_retry_letter_topic_there_is_no_later
        dead_letters_have_a_topic_of_the_official_name;
    seeking:
        a_consumer_goes_to_any_place
        a_seek_is_no_reason_to_worry
        what_is_in_hand_at_a_seek_changes_nothing_after_it
        a_reader_is_where_a_seek_was_given_up
        a_handler_starts_over_after_a_seek
        a_seek_that_cannot_be_is_refused
        an_id_of_another_partition_is_refused_by_name
        a_reader_goes_to_any_place
        a_reader_reads_until_it_is_caught_up
        many_messages_before_the_end_are_read_at_once
        who_reads_to_the_end_is_told_when_another_takes_the_last_message
        an_end_that_is_no_more_is_not_waited_for
        a_place_behind_a_batch_is_behind_all_of_it
        a_partitioned_topic_is_read_until_it_is_caught_up;
    supervising:
        a_supervisor_opens_what_its_configuration_names
        a_name_or_key_is_unique
        a_component_may_have_its_own_host
        one_bad_component_leaves_nothing_behind
        closing_a_supervisor_frees_its_name;
    administering:
        the_broker_says_who_it_is_and_how_it_is
        tenants_come_and_go
        namespaces_have_policies
        topics_and_partitions_come_and_go
        all_topics_of_a_tenant_are_walked_over
        a_topic_is_terminated_through_the_api
        a_topic_is_compacted_unloaded_and_truncated
        statistics_of_partitions_are_those_of_all_and_of_each
        stored_messages_are_read_by_id_by_place_and_by_time
        subscriptions_begin_where_they_are_told
        a_batch_comes_whole_to_a_subscription_that_is_moved_into_it
        names_of_all_characters_are_administered
        old_messages_are_expired
        a_subscription_has_properties_and_a_backlog_to_analyze
        a_topic_has_a_schema_with_versions
        a_topic_without_a_schema_has_a_strategy
        a_schema_that_does_not_fit_is_refused
        a_schema_in_a_namespace_that_is_missing_is_not_found
        the_last_message_of_a_topic_has_an_id
        a_subscription_is_moved_to_any_position
        a_subscription_of_partitions_is_moved_whole_and_by_id_in_part
        messages_are_skipped
        what_is_peeked_at_is_whole_and_stays
        a_batch_is_peeked_at_message_by_message
        statistics_tell_who_is_there_and_what_waits
        a_request_of_ones_own_is_sent_as_it_is;
}
