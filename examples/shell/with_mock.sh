#!/bin/sh
# Runs a program against a mock broker, whatever it is written in: the program finds the URL in PULSAR_URL, and its
# status is that of this script.
#
#     with_mock.sh [OPTIONS OF stargate-mock] -- PROGRAM [ARGUMENTS]
#     with_mock.sh --fault 'send@orders=drop-after*3' -- ./send_orders
set -eu

options=
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    options="$options '$(printf %s "$1" | sed "s/'/'\\\\''/g")'"
    shift
done
[ "$#" -gt 1 ] || { echo "usage: with_mock.sh [OPTIONS OF stargate-mock] -- PROGRAM [ARGUMENTS]" >&2; exit 2; }
shift

# The broker ends with its standard input, so it cannot outlive this script, however the script ends.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkfifo "$work/input" "$work/output"
eval "stargate-mock --until-eof $options" <"$work/input" >"$work/output" &
exec 3>"$work/input"
# The URL comes when the broker listens, and nothing comes when it could not start.
read -r PULSAR_URL <"$work/output" || exit 2
export PULSAR_URL
"$@" 3>&-
