#!/bin/bash
# Makes the topics of Airy Core and waits for the broker before; repeating it changes nothing. Everything else waits for this to end.
# Names and which are compacted: Airy Core 0.56.0, backend/model/*. Compaction takes three settings, one for each --config.
set -eu
brokers=${KAFKA_BROKERS:?}
tools=(--bootstrap-server "$brokers")

until kafka-topics.sh "${tools[@]}" --list >/tmp/topics 2>/tmp/error; do
  echo "the broker does not answer yet: $(tail -n 1 /tmp/error)"
  sleep 1
done

compacted="contacts messages metadata read-receipt sources tags templates users webhooks-v0.29.0"
plain="application.communication.channels ops.application.components ops.application.logs source.facebook.events source.google.events
source.twilio.events source.viber.events source.whatsapp.events"

# A call of the tool costs a second or two; topics that are there need none.
create() {
  topic=$1
  shift
  grep -qxF "$topic" /tmp/topics && return
  kafka-topics.sh "${tools[@]}" --create --if-not-exists --topic "$topic" --partitions "${PARTITIONS:?}" \
    --replication-factor "${KAFKA_MINIMUM_REPLICAS:?}" "$@"
}

for name in $compacted; do
  create "application.communication.$name" --config cleanup.policy=compact --config min.compaction.lag.ms=86400000 \
    --config segment.bytes=10485760
done
for topic in $plain; do create "$topic"; done
echo "all topics are there"
