FROM modelcast-runtime AS environment
USER 0
COPY wheels /tmp/wheels
COPY requirements.txt /tmp/requirements.txt
RUN /opt/modelcast/install /opt/modelcast/bin/python /opt/app-root/environment --find-links /tmp/wheels --requirement /tmp/requirements.txt \
    && mkdir -p /laid/opt/app-root && mv /opt/app-root/environment /laid/opt/app-root/ \
    && touch --date=@315532800 /laid/opt/app-root /laid/opt /laid

FROM modelcast-runtime
COPY --from=environment /laid/ /
COPY laid/ /
LABEL "modelcast.name"="spam" \
      "modelcast.source"="https://host/a\"b\$c\\d"
