FROM modelcast-runtime AS environment
USER 0
COPY wheels /tmp/wheels
COPY requirements.txt /tmp/requirements.txt
RUN /opt/modelcast/install /opt/modelcast/bin/python /opt/app-root/environment --find-links /tmp/wheels --requirement /tmp/requirements.txt

FROM modelcast-runtime
COPY --from=environment /opt/app-root/environment /opt/app-root/environment
COPY bundle /opt/app-root/bundle
LABEL "modelcast.name"="spam" \
      "modelcast.source"="https://host/a\"b\$c\\d"
