FROM modelcast-builder
LABEL "io.k8s.display-name"="spam" \
      "io.openshift.s2i.build.image"="modelcast-builder"
ENV MODELCAST_PARAMETERS="{\"k\": 7}" \
    GREETING="two lines"
COPY --chown=1001:0 upload/scripts /tmp/scripts
COPY --chown=1001:0 upload/src /tmp/src
USER 1001
RUN /usr/libexec/s2i/assemble
CMD /tmp/scripts/run
